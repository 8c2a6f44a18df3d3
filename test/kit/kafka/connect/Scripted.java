import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.errors.DataException;
import org.apache.kafka.connect.errors.RetriableException;
import org.apache.kafka.connect.sink.SinkConnector;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;
import org.apache.kafka.connect.source.ConnectorTransactionBoundaries;
import org.apache.kafka.connect.source.ExactlyOnceSupport;
import org.apache.kafka.connect.source.SourceConnector;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;

/**
 * A source and a sink that do what a script in their configuration says, and write down every call of the worker, one JSON
 * object a line, into a file. Their twins of the same behaviour are test/kit/scripted-connectors.ts.
 */
public final class Scripted {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ConfigDef CONFIG = new ConfigDef()
        .define("script", ConfigDef.Type.STRING, "{}", ConfigDef.Importance.HIGH, "What to do.")
        .define("calls", ConfigDef.Type.STRING, ConfigDef.Importance.HIGH, "The file to write to.");

    private static synchronized void note(Map<String, String> config, String call, Object... members) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("call", call);
        for (int index = 0; index < members.length; index += 2) line.put((String) members[index], members[index + 1]);
        try {
            Files.writeString(Path.of(config.get("calls")), JSON.writeValueAsString(line) + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static JsonNode script(Map<String, String> config, String part) {
        try {
            return JSON.readTree(config.getOrDefault("script", "{}")).path(part);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static void throwIfAsked(JsonNode step) {
        if (!step.has("throws")) return;
        if (step.get("throws").asText().equals("retriable")) throw new RetriableException("try again");
        throw new DataException("cannot go on");
    }

    public static final class Source extends SourceConnector {
        private Map<String, String> config;

        @Override public void start(Map<String, String> given) { config = given; }
        @Override public Class<? extends Task> taskClass() { return FromScript.class; }
        @Override public List<Map<String, String>> taskConfigs(int max) { return List.of(config); }
        @Override public void stop() { }
        @Override public ConfigDef config() { return CONFIG; }
        @Override public String version() { return "1"; }
        @Override public ExactlyOnceSupport exactlyOnceSupport(Map<String, String> given) { return ExactlyOnceSupport.SUPPORTED; }
        @Override public ConnectorTransactionBoundaries canDefineTransactionBoundaries(Map<String, String> given) { return ConnectorTransactionBoundaries.SUPPORTED; }
    }

    public static final class FromScript extends SourceTask {
        private static final Map<String, String> PARTITION = Map.of("log", "a");
        private Map<String, String> config;
        private List<JsonNode> polls;
        private int next;

        @Override public String version() { return "1"; }

        @Override public void start(Map<String, String> given) {
            config = given;
            Map<String, Object> offset = context.offsetStorageReader().offset(PARTITION);
            note(config, "start", "offset", offset);
            polls = new ArrayList<>();
            script(config, "polls").forEach(polls::add);
            next = offset == null ? 0 : ((Number) offset.get("poll")).intValue() + 1;
        }

        @Override public List<SourceRecord> poll() throws InterruptedException {
            if (next >= polls.size()) {
                Thread.sleep(50);
                return null;
            }
            int number = next++;
            JsonNode poll = polls.get(number);
            List<Object> values = new ArrayList<>();
            List<SourceRecord> records = new ArrayList<>();
            for (JsonNode each : poll.path("records")) {
                Object value = JSON.convertValue(each.get("value"), Object.class);
                Object key = JSON.convertValue(each.get("key"), Object.class);
                values.add(value);
                SourceRecord record = new SourceRecord(PARTITION, Map.of("poll", number), each.path("topic").asText("out"), null, null, key, null, value);
                if (context.transactionContext() != null && each.has("ends")) {
                    if (each.get("ends").asText().equals("commit")) context.transactionContext().commitTransaction(record);
                    else context.transactionContext().abortTransaction(record);
                }
                records.add(record);
            }
            if (poll.has("throws")) note(config, "poll", "throws", poll.get("throws").asText());
            else note(config, "poll", "values", values);
            throwIfAsked(poll);
            if (context.transactionContext() != null && poll.has("ends")) {
                if (poll.get("ends").asText().equals("commit")) context.transactionContext().commitTransaction();
                else context.transactionContext().abortTransaction();
            }
            return records;
        }

        @Override public void commitRecord(SourceRecord record, RecordMetadata metadata) {
            Map<String, Object> at = metadata == null ? null : Map.of("topic", metadata.topic(), "partition", metadata.partition(), "offset", metadata.offset());
            note(config, "commitRecord", "value", record.value(), "at", at);
        }

        @Override public void commit() { note(config, "commit"); }
        @Override public void stop() { note(config, "stop"); }
    }

    public static final class Sink extends SinkConnector {
        private Map<String, String> config;

        @Override public void start(Map<String, String> given) { config = given; }
        @Override public Class<? extends Task> taskClass() { return ToScript.class; }
        @Override public List<Map<String, String>> taskConfigs(int max) { return List.of(config); }
        @Override public void stop() { }
        @Override public ConfigDef config() { return CONFIG; }
        @Override public String version() { return "1"; }
    }

    public static final class ToScript extends SinkTask {
        private final Map<String, Integer> counts = new HashMap<>();
        private Map<String, String> config;

        @Override public String version() { return "1"; }

        @Override public void start(Map<String, String> given) {
            config = given;
            note(config, "start");
        }

        /** The script's entry for this call of the part; missing: nothing special. */
        private JsonNode step(String part) {
            int index = counts.merge(part, 1, Integer::sum) - 1;
            return script(config, part).path(index);
        }

        @Override public void open(Collection<TopicPartition> partitions) {
            note(config, "open", "partitions", names(partitions));
            seek(step("opens"));
        }

        @Override public void put(Collection<SinkRecord> records) {
            if (records.isEmpty()) return;
            JsonNode step = step("puts");
            List<Object> values = new ArrayList<>();
            for (SinkRecord record : records) values.add(record.value());
            if (step.has("throws")) note(config, "put", "values", values, "throws", step.get("throws").asText());
            else note(config, "put", "values", values);
            for (JsonNode refused : step.path("reports")) {
                for (SinkRecord record : records) {
                    if (String.valueOf(record.value()).equals(refused.asText())) context.errantRecordReporter().report(record, new DataException("refused"));
                }
            }
            if (step.path("requestsCommit").asBoolean()) context.requestCommit();
            if (step.has("timeoutMs")) context.timeout(step.get("timeoutMs").asLong());
            seek(step);
            if (step.has("pauses")) context.pause(partition(step.get("pauses").asText()));
            if (step.has("resumes")) context.resume(partition(step.get("resumes").asText()));
            throwIfAsked(step);
        }

        private void seek(JsonNode step) {
            step.path("seeks").fields().forEachRemaining(each -> context.offset(partition(each.getKey()), each.getValue().asLong()));
        }

        @Override public Map<TopicPartition, OffsetAndMetadata> preCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
            JsonNode step = step("preCommits");
            if (step.has("throws")) note(config, "preCommit", "offsets", numbers(offsets), "throws", step.get("throws").asText());
            else note(config, "preCommit", "offsets", numbers(offsets));
            throwIfAsked(step);
            if (step.has("answers")) {
                Map<TopicPartition, OffsetAndMetadata> answer = new HashMap<>();
                step.get("answers").fields().forEachRemaining(each -> answer.put(partition(each.getKey()), new OffsetAndMetadata(each.getValue().asLong())));
                return answer;
            }
            return super.preCommit(offsets);
        }

        @Override public void flush(Map<TopicPartition, OffsetAndMetadata> offsets) { note(config, "flush", "offsets", numbers(offsets)); }
        @Override public void close(Collection<TopicPartition> partitions) { note(config, "close", "partitions", names(partitions)); }
        @Override public void stop() { note(config, "stop"); }

        private static TopicPartition partition(String name) {
            int dash = name.lastIndexOf('-');
            return new TopicPartition(name.substring(0, dash), Integer.parseInt(name.substring(dash + 1)));
        }

        private static List<String> names(Collection<TopicPartition> partitions) {
            return partitions.stream().map(TopicPartition::toString).sorted().toList();
        }

        private static Map<String, Long> numbers(Map<TopicPartition, OffsetAndMetadata> offsets) {
            Map<String, Long> numbers = new TreeMap<>();
            offsets.forEach((partition, offset) -> numbers.put(partition.toString(), offset.offset()));
            return numbers;
        }
    }

    private Scripted() { }
}
