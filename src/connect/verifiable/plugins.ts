import type { AnyPlugin } from '../connector.ts'
import { verifiableSink } from './verifiable-sink.ts'
import { verifiableSource } from './verifiable-source.ts'

/** The connectors that are part of the worker itself. */
export const plugins: readonly AnyPlugin[] = [verifiableSource, verifiableSink]
