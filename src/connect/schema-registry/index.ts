export { avroConverter, avroConverterConfig } from './avro-converter.ts'
export { jsonSchemaConverter, jsonSchemaConverterConfig } from './json-schema-converter.ts'
export { protobufConverter, protobufConverterConfig } from './protobuf-converter.ts'
