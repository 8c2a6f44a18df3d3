import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TimeZone;
import java.util.concurrent.Callable;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.ConnectSchema;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.SchemaProjector;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Values;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/**
 * Reads cases in the notation of test/vectors/connect/FORMAT.md, one a line, runs each through Kafka Connect's own classes, and
 * prints what it `expect`s, one a line; `{"skip": why}` for what is no case there, such as a schema that cannot be built.
 */
public final class Cases {
    private static final ObjectMapper JSON = new ObjectMapper().enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS);
    private static final JsonNodeFactory NODES = JsonNodeFactory.withExactBigDecimals(true);
    private static final Set<String> TAGS =
        Set.of("raw", "bytes", "decimal", "date", "float", "int8", "int16", "int32", "int64", "float32", "float64", "bigint", "map");
    private static final long MAX_SAFE = 9007199254740991L;

    public static void main(String[] args) throws Exception {
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"));
        Locale.setDefault(Locale.US);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) out.println(JSON.writeValueAsString(outcome(JSON.readTree(line))));
        out.flush();
    }

    private static JsonNode outcome(JsonNode each) {
        try {
            if (each.has("transform")) return transformed(each);
            if (each.has("predicate")) return tested(each);
            if (each.has("converter")) return converted(each);
            if (each.has("project")) return projected(each.get("project"));
            if (each.has("parse")) return written(Values.parseString(each.get("parse").asText()));
            return header(each);
        } catch (Exception | StackOverflowError error) {
            return NODES.objectNode().put("skip", error.toString());
        }
    }

    // ── what is tried

    @SuppressWarnings({"rawtypes", "unchecked"})
    private static JsonNode transformed(JsonNode each) throws Exception {
        Transformation transform = make("org.apache.kafka.connect.transforms.", each.get("transform").asText());
        JsonNode refusal = refused("configError", () -> { transform.configure(config(each)); return null; });
        if (refusal != null) return refusal;
        ConnectRecord<?> record = record(each);
        return answered(() -> {
            ConnectRecord<?> result = transform.apply(record);
            return result == null ? NODES.objectNode().put("dropped", true) : only("record", written(result));
        });
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    private static JsonNode tested(JsonNode each) throws Exception {
        Predicate predicate = make("org.apache.kafka.connect.transforms.predicates.", each.get("predicate").asText());
        JsonNode refusal = refused("configError", () -> { predicate.configure(config(each)); return null; });
        return refusal != null ? refusal : NODES.objectNode().put("result", predicate.test(record(each)));
    }

    private static JsonNode converted(JsonNode each) throws Exception {
        String name = each.get("converter").asText();
        String home = name.equals("JsonConverter") ? "json." : name.equals("StringConverter") ? "storage." : "converters.";
        Converter converter = make("org.apache.kafka.connect." + home, name);
        JsonNode refusal = refused("configError", () -> { converter.configure(config(each), each.path("isKey").asBoolean()); return null; });
        if (refusal != null) return refusal;
        if (!each.get("direction").asText().equals("fromConnect")) {
            byte[] bytes = bytesOf(each, "text", "bytes");
            return answered(() -> written(converter.toConnectData("t", bytes)));
        }
        Schema schema = schema(each.get("schema"));
        Object value = value(schema, each.get("value"));
        return answered(() -> {
            byte[] bytes = converter.fromConnectData("t", schema, value);
            if (bytes == null) return NODES.objectNode().putNull("bytes");
            return NODES.objectNode().put("bytes", base64(bytes)).put("text", new String(bytes, StandardCharsets.UTF_8));
        });
    }

    private static JsonNode projected(JsonNode each) {
        Schema source = schema(each.get("source"));
        Schema target = schema(each.get("target"));
        Object value = value(source, each.get("value"));
        return answered(() -> only("value", written(target, SchemaProjector.project(source, value, target))));
    }

    private static JsonNode header(JsonNode each) {
        SimpleHeaderConverter converter = new SimpleHeaderConverter();
        if (!each.has("header")) return answered(() -> written(converter.toConnectHeader("t", "h", bytesOf(each, "headerText", "headerBytes"))));
        Schema schema = schema(each.get("header").get("schema"));
        Object value = value(schema, each.get("header").get("value"));
        return answered(() -> {
            byte[] bytes = converter.fromConnectHeader("t", "h", schema, value);
            if (bytes == null) return NODES.objectNode().putNull("text");
            ObjectNode answer = NODES.objectNode().put("text", new String(bytes, StandardCharsets.UTF_8));
            answer.set("back", written(converter.toConnectHeader("t", "h", bytes)));
            return answer;
        });
    }

    @SuppressWarnings("unchecked")
    private static <T> T make(String home, String name) throws Exception {
        return (T) Class.forName(home + name).getDeclaredConstructor().newInstance();
    }

    private static JsonNode answered(Callable<JsonNode> question) {
        try {
            return question.call();
        } catch (Exception error) {
            return error("error", error);
        }
    }

    /** Null: it was not refused. */
    private static JsonNode refused(String kind, Callable<Void> action) {
        try {
            action.call();
            return null;
        } catch (Exception error) {
            return error(kind, error);
        }
    }

    private static JsonNode error(String kind, Exception error) {
        ObjectNode node = NODES.objectNode().put("class", error.getClass().getSimpleName()).put("message", String.valueOf(error.getMessage()));
        if (error.getCause() != null) node.put("cause", error.getCause().getClass().getSimpleName());
        return only(kind, node);
    }

    // ── the notation, read

    private static Map<String, Object> config(JsonNode each) {
        Map<String, Object> config = new LinkedHashMap<>();
        each.path("config").properties().forEach(entry -> config.put(entry.getKey(), entry.getValue().isNull() ? null : entry.getValue().asText()));
        return config;
    }

    private static byte[] bytesOf(JsonNode each, String textName, String bytesName) {
        if (each.has(textName)) return each.get(textName).asText().getBytes(StandardCharsets.UTF_8);
        return each.get(bytesName).isNull() ? null : Base64.getDecoder().decode(each.get(bytesName).asText());
    }

    private static ConnectRecord<?> record(JsonNode each) {
        boolean isSink = each.has("record");
        JsonNode record = each.get(isSink ? "record" : "sourceRecord");
        Schema keySchema = schema(record.path("key").get("schema"));
        Schema valueSchema = schema(record.path("value").get("schema"));
        Object key = value(keySchema, record.path("key").get("value"));
        Object value = value(valueSchema, record.path("value").get("value"));
        ConnectHeaders headers = new ConnectHeaders();
        for (JsonNode header : record.path("headers")) {
            Schema schema = schema(header.get("schema"));
            headers.add(header.get("name").asText(), new SchemaAndValue(schema, value(schema, header.get("value"))));
        }
        String topic = record.path("topic").asText("t");
        Long timestamp = record.hasNonNull("timestamp") ? record.get("timestamp").asLong() : null;
        Integer partition = record.has("partition") && record.get("partition").isNull() ? null : Integer.valueOf(record.path("partition").asInt(0));
        if (!isSink) return new SourceRecord(Map.of("s", 1), Map.of("o", 1), topic, partition, keySchema, key, valueSchema, value, timestamp, headers);
        TimestampType type = timestamp == null ? TimestampType.NO_TIMESTAMP_TYPE : TimestampType.CREATE_TIME;
        return new SinkRecord(topic, partition, keySchema, key, valueSchema, value, record.path("offset").asLong(7), timestamp, type, headers);
    }

    private static Schema schema(JsonNode node) {
        if (node == null || node.isNull()) return null;
        String type = node.get("type").asText();
        SchemaBuilder builder = switch (type) {
            case "array" -> SchemaBuilder.array(schema(node.get("valueSchema")));
            case "map" -> SchemaBuilder.map(schema(node.get("keySchema")), schema(node.get("valueSchema")));
            default -> SchemaBuilder.type(Schema.Type.valueOf(type.toUpperCase(Locale.ROOT)));
        };
        if (node.path("optional").asBoolean(false)) builder.optional();
        if (node.hasNonNull("name")) builder.name(node.get("name").asText());
        if (node.hasNonNull("version")) builder.version(node.get("version").asInt());
        if (node.hasNonNull("doc")) builder.doc(node.get("doc").asText());
        node.path("parameters").properties().forEach(entry -> builder.parameter(entry.getKey(), entry.getValue().asText()));
        for (JsonNode field : node.path("fields")) builder.field(field.get("field").asText(), schema(field));
        if (!node.hasNonNull("default")) return builder.build();
        if (!type.equals("struct")) return builder.defaultValue(value(builder, node.get("default"))).build();
        Schema plain = builder.build();
        return new ConnectSchema(plain.type(), plain.isOptional(), value(plain, node.get("default")), plain.name(), plain.version(), plain.doc(), plain.parameters(), plain.fields(), null, null);
    }

    private static String tag(JsonNode node) {
        if (!node.isObject() || node.size() != 1) return "";
        String name = node.fieldNames().next();
        return TAGS.contains(name) ? name : "";
    }

    private static Object value(Schema schema, JsonNode node) {
        if (node == null || node.isNull()) return null;
        if (schema == null) return schemaless(node);
        String tag = tag(node);
        switch (tag) {
            case "raw": return schemaless(node.get(tag));
            case "decimal": return new BigDecimal(node.get(tag).asText());
            case "date": return new java.util.Date(node.get(tag).asLong());
            default: break;
        }
        return switch (schema.type()) {
            case INT8 -> (byte) node.asInt();
            case INT16 -> (short) node.asInt();
            case INT32 -> node.asInt();
            case INT64 -> tag.equals("int64") ? Long.parseLong(node.get(tag).asText()) : node.asLong();
            case FLOAT32 -> Float.parseFloat(tag.equals("float") ? node.get(tag).asText() : node.asText());
            case FLOAT64 -> Double.parseDouble(tag.equals("float") ? node.get(tag).asText() : node.asText());
            case BOOLEAN -> node.asBoolean();
            case STRING -> node.asText();
            case BYTES -> Base64.getDecoder().decode(node.get("bytes").asText());
            case ARRAY -> list(schema.valueSchema(), node);
            case MAP -> map(schema.keySchema(), schema.valueSchema(), node);
            case STRUCT -> struct(schema, node);
        };
    }

    private static List<Object> list(Schema items, JsonNode node) {
        List<Object> list = new ArrayList<>();
        for (JsonNode each : node) list.add(value(items, each));
        return list;
    }

    private static Map<Object, Object> map(Schema keys, Schema values, JsonNode node) {
        Map<Object, Object> map = new LinkedHashMap<>();
        if (tag(node).equals("map")) for (JsonNode pair : node.get("map")) map.put(value(keys, pair.get(0)), value(values, pair.get(1)));
        else node.properties().forEach(entry -> map.put(value(keys, NODES.textNode(entry.getKey())), value(values, entry.getValue())));
        return map;
    }

    private static Struct struct(Schema schema, JsonNode node) {
        Struct struct = new Struct(schema);
        for (Field field : schema.fields()) if (node.hasNonNull(field.name())) struct.put(field, value(field.schema(), node.get(field.name())));
        return struct;
    }

    private static Object schemaless(JsonNode node) {
        if (node == null || node.isNull()) return null;
        if (node.isBoolean()) return node.asBoolean();
        if (node.isTextual()) return node.asText();
        if (node.isIntegralNumber()) return node.canConvertToLong() ? (Object) node.asLong() : node.bigIntegerValue();
        if (node.isNumber()) return node.asDouble();
        if (node.isArray()) return list(null, node);
        if (node.has("as") && node.has("value")) return value(schema(node.get("as")), node.get("value"));
        String tag = tag(node);
        JsonNode inner = node.get(tag);
        return switch (tag) {
            case "int8" -> (byte) inner.asInt();
            case "int16" -> (short) inner.asInt();
            case "int32" -> inner.asInt();
            case "int64" -> Long.parseLong(inner.asText());
            case "bigint" -> new BigInteger(inner.asText());
            case "float32" -> Float.parseFloat(inner.asText());
            case "float64" -> Double.parseDouble(inner.asText());
            case "bytes" -> Base64.getDecoder().decode(inner.asText());
            case "decimal" -> new BigDecimal(inner.asText());
            case "date" -> new java.util.Date(inner.asLong());
            default -> map(null, null, node);
        };
    }

    // ── the notation, written

    private static ObjectNode only(String name, JsonNode node) {
        ObjectNode object = NODES.objectNode();
        object.set(name, node);
        return object;
    }

    private static String base64(byte[] bytes) {
        return Base64.getEncoder().encodeToString(bytes);
    }

    private static ObjectNode written(SchemaAndValue both) {
        ObjectNode object = only("schema", both == null ? NODES.nullNode() : written(both.schema()));
        object.set("value", both == null ? NODES.nullNode() : written(both.schema(), both.value()));
        return object;
    }

    private static JsonNode written(ConnectRecord<?> record) {
        ObjectNode object = NODES.objectNode().put("topic", record.topic()).put("partition", record.kafkaPartition());
        object.set("key", written(new SchemaAndValue(record.keySchema(), record.key())));
        object.set("value", written(new SchemaAndValue(record.valueSchema(), record.value())));
        object.put("timestamp", record.timestamp());
        ArrayNode headers = object.putArray("headers");
        for (Header header : record.headers()) {
            ObjectNode each = NODES.objectNode().put("name", header.key());
            each.setAll(written(new SchemaAndValue(header.schema(), header.value())));
            headers.add(each);
        }
        return object;
    }

    private static JsonNode written(Schema schema) {
        if (schema == null) return NODES.nullNode();
        ObjectNode object = NODES.objectNode().put("type", schema.type().getName());
        if (schema.isOptional()) object.put("optional", true);
        if (schema.name() != null) object.put("name", schema.name());
        if (schema.version() != null) object.put("version", schema.version());
        if (schema.doc() != null) object.put("doc", schema.doc());
        if (schema.parameters() != null && !schema.parameters().isEmpty()) schema.parameters().forEach(object.putObject("parameters")::put);
        if (schema.type() == Schema.Type.STRUCT) {
            ArrayNode fields = object.putArray("fields");
            for (Field field : schema.fields()) fields.addObject().put("field", field.name()).setAll((ObjectNode) written(field.schema()));
        }
        if (schema.type() == Schema.Type.MAP) object.set("keySchema", written(schema.keySchema()));
        if (schema.type() == Schema.Type.MAP || schema.type() == Schema.Type.ARRAY) object.set("valueSchema", written(schema.valueSchema()));
        if (schema.defaultValue() != null) object.set("default", written(schema, schema.defaultValue()));
        return object;
    }

    private static JsonNode written(Schema schema, Object value) {
        if (value == null) return NODES.nullNode();
        if (schema == null || value instanceof BigDecimal || value instanceof java.util.Date) return writtenBare(value);
        try {
            return switch (schema.type()) {
                case INT8, INT16, INT32 -> NODES.numberNode(((Number) value).intValue());
                case FLOAT32, FLOAT64 -> writtenFloat((Number) value);
                case ARRAY -> writtenList(schema.valueSchema(), (List<?>) value);
                case MAP -> writtenMap(schema.keySchema(), schema.valueSchema(), (Map<?, ?>) value);
                case STRUCT -> writtenStruct(schema, (Struct) value);
                default -> writtenBare(value);
            };
        } catch (ClassCastException error) {
            return only("raw", writtenBare(value));
        }
    }

    private static JsonNode writtenFloat(Number value) {
        double number = value.doubleValue();
        if (Double.isFinite(number)) return NODES.numberNode(new BigDecimal(value.toString()));
        return NODES.objectNode().put("float", Double.isNaN(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
    }

    private static JsonNode writtenList(Schema items, List<?> list) {
        ArrayNode array = NODES.arrayNode();
        for (Object each : list) array.add(written(items, each));
        return array;
    }

    private static JsonNode writtenMap(Schema keys, Schema values, Map<?, ?> map) {
        boolean isTag = map.size() == 1 && TAGS.contains(String.valueOf(map.keySet().iterator().next()));
        if (!isTag && map.keySet().stream().allMatch(String.class::isInstance)) {
            ObjectNode object = NODES.objectNode();
            map.forEach((key, each) -> object.set((String) key, written(values, each)));
            return object;
        }
        ArrayNode pairs = NODES.arrayNode();
        map.forEach((key, each) -> pairs.addArray().add(written(keys, key)).add(written(values, each)));
        return only("map", pairs);
    }

    private static JsonNode writtenStruct(Schema schema, Struct struct) {
        ObjectNode object = NODES.objectNode();
        for (Field field : schema.fields()) {
            boolean isThere = struct.schema().field(field.name()) != null;
            object.set(field.name(), isThere ? written(field.schema(), struct.getWithoutDefault(field.name())) : NODES.nullNode());
        }
        return object;
    }

    private static JsonNode writtenBare(Object value) {
        if (value == null) return NODES.nullNode();
        if (value instanceof Boolean flag) return NODES.booleanNode(flag);
        if (value instanceof String text) return NODES.textNode(text);
        if (value instanceof Long number) return Math.abs((double) number) > MAX_SAFE ? NODES.objectNode().put("int64", number.toString()) : NODES.numberNode(number);
        if (value instanceof Byte number) return NODES.objectNode().put("int8", number);
        if (value instanceof Short number) return NODES.objectNode().put("int16", number);
        if (value instanceof Integer number) return NODES.objectNode().put("int32", number);
        if (value instanceof Float number) return NODES.objectNode().put("float32", number.toString());
        if (value instanceof Double number) return NODES.objectNode().put("float64", number.toString());
        if (value instanceof BigInteger number) return NODES.objectNode().put("bigint", number.toString());
        if (value instanceof BigDecimal number) return NODES.objectNode().put("decimal", number.toString());
        if (value instanceof java.util.Date date) return NODES.objectNode().put("date", date.getTime());
        if (value instanceof byte[] bytes) return NODES.objectNode().put("bytes", base64(bytes));
        if (value instanceof ByteBuffer buffer) {
            byte[] bytes = new byte[buffer.remaining()];
            buffer.duplicate().get(bytes);
            return writtenBare(bytes);
        }
        if (value instanceof List<?> list) return writtenList(null, list);
        if (value instanceof Map<?, ?> map) return writtenMap(null, null, map);
        Struct struct = (Struct) value;
        ObjectNode object = only("as", written(struct.schema()));
        object.set("value", writtenStruct(struct.schema(), struct));
        return object;
    }
}
