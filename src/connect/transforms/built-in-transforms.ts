import type { TransformPlugin } from '../connector.ts'
import { cast } from './cast.ts'
import { eventRouter } from './event-router.ts'
import { extractNewRecordState } from './extract-new-record-state.ts'
import { extractField, flatten, hoistField, replaceField, valueToKey } from './fields.ts'
import { dropHeaders, headerFrom, insertHeader } from './headers.ts'
import { insertField } from './insert-field.ts'
import { maskField } from './mask-field.ts'
import { filter, regexRouter, timestampRouter } from './routers.ts'
import { script } from './script.ts'
import { setSchemaMetadata } from './set-schema-metadata.ts'
import { timestampConverter } from './timestamp-converter.ts'

/** Upstream's sixteen, under its class names, Debezium's that everybody adds, and one for what no configuration can say. */
export const transformPlugins: readonly TransformPlugin[] = [
  ...cast, dropHeaders, ...extractField, filter, ...flatten, ...headerFrom, ...hoistField, ...insertField, insertHeader, ...maskField, regexRouter, ...replaceField,
  ...setSchemaMetadata, ...timestampConverter, timestampRouter, valueToKey, extractNewRecordState, eventRouter, script,
]
