export { avroConverter, avroConverterConfig } from './avro-converter.ts'
export { jsonSchemaConverter, jsonSchemaConverterConfig } from './json-schema-converter.ts'
