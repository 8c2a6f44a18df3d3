package recorder;

import static recorder.Functions.*;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.*;
import java.util.function.Function;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.errors.*;
import org.apache.kafka.streams.processor.internals.InternalTopologyBuilder;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Reads scenarios of test/vectors/streams (FORMAT.md), one a line, runs each in the TopologyTestDriver, and prints it with all that was seen; with a
 * member `skip` where it uses what is not known here. `Recorder FOLDER`: stores are kept in the folder.
 */
@SuppressWarnings({"unchecked", "rawtypes", "deprecation"})
public final class Recorder {
  public static void main(String[] args) throws Exception {
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    int count = 0;
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      var scenario = (ObjectNode) mapper.readTree(line);
      System.out.println(mapper.writeValueAsString(recorded(scenario, Path.of(args[0], String.valueOf(count++)))));
    }
  }

  static ObjectNode recorded(ObjectNode scenario, Path folder) {
    try {
      return new Recorder(scenario, settings(scenario, folder)).run();
    } catch (Fail fail) {
      return scenario.deepCopy().put("skip", fail.getMessage());
    }
  }

  private final ObjectNode scenario;
  private final Properties settings;
  private final Program program;
  private final List<ProducerRecord<byte[], byte[]>> written = new ArrayList<>();

  private Recorder(ObjectNode scenario, Properties settings) {
    this.scenario = scenario;
    this.settings = settings;
    this.program = new Program(scenario, settings);
  }

  private ObjectNode run() {
    ObjectNode out = scenario.deepCopy();
    out.putArray("steps");
    TopologyTestDriver driver;
    try {
      Topology topology = program.build();
      driver = new TopologyTestDriver(topology, settings, Instant.ofEpochMilli(scenario.path("initialWallClockMs").asLong()));
      out.put("describe", topology.describe().toString());
      putInternalTopics(out, topology);
    } catch (Fail fail) {
      throw fail;
    } catch (Exception error) {
      out.putObject("buildError")
          .put("class", error.getClass().getSimpleName())
          .put("message", String.valueOf(error.getMessage()))
          .put("causeMessage", String.valueOf(rootOf(error).getMessage()));
      return out;
    }
    try {
      watch(driver);
      if (!program.branches.isEmpty()) out.set("branches", program.branches);
      if (runSteps(driver, (ArrayNode) out.get("steps"))) putEnd(out, driver);
      else out.put("expectsError", true);
    } finally {
      close(driver);
    }
    return out;
  }

  /** What has failed may fail again here, where its caches are flushed. */
  private static void close(TopologyTestDriver driver) {
    try {
      driver.close();
    } catch (RuntimeException error) {
      return;
    }
  }

  /** False: a step has failed, and there are no further ones. */
  private boolean runSteps(TopologyTestDriver driver, ArrayNode steps) {
    for (JsonNode step : scenario.get("steps")) {
      ObjectNode seen = step.deepCopy();
      if (step.has("query")) {
        JsonNode answer = answerOf(driver, step.get("query"));
        if (answer != null) steps.add(seen.set("expect", answer));
        continue;
      }
      steps.add(seen);
      try {
        act(driver, step);
        putWritten(seen);
      } catch (Fail fail) {
        throw fail;
      } catch (Exception error) {
        seen.putArray("expect");
        seen.putObject("throws")
            .put("class", error.getClass().getSimpleName())
            .put("message", String.valueOf(error.getMessage()))
            .put("causeMessage", String.valueOf(rootOf(error).getMessage()));
        return false;
      } finally {
        if (!program.effects.isEmpty()) program.effects.forEach(seen.putArray("effects")::add);
        program.effects.clear();
      }
    }
    return true;
  }

  private void act(TopologyTestDriver driver, JsonNode step) {
    if (step.has("advanceWallClockMs")) {
      driver.advanceWallClockTime(Duration.ofMillis(step.get("advanceWallClockMs").asLong()));
      return;
    }
    JsonNode piped = step.get("pipe");
    String topic = piped.get("topic").asText();
    Serde keys = program.topicSerde(topic, "key");
    Serde values = program.topicSerde(topic, "value");
    Headers headers = new RecordHeaders();
    for (JsonNode header : piped.path("headers")) {
      headers.add(header.get(0).asText(), header.get(1).isNull() ? null : Base64.getDecoder().decode(header.get(1).asText()));
    }
    var record = new TestRecord(value(piped.get("key"), keys), value(piped.get("value"), values), headers, piped.get("timestamp").asLong());
    driver.createInputTopic(topic, plain(keys.serializer()), plain(values.serializer())).pipeInput(record);
  }

  private void putWritten(ObjectNode seen) {
    ArrayNode expect = seen.putArray("expect");
    ArrayNode internal = scenario.path("recordInternal").asBoolean() ? seen.putArray("internal") : null;
    for (ProducerRecord<byte[], byte[]> record : written) {
      boolean isInternal = record.topic().startsWith("app-");
      if (isInternal && internal == null) continue;
      Deserializer keys = isInternal ? new ByteArrayDeserializer() : plain(program.topicSerde(record.topic(), "key").deserializer());
      Deserializer values = isInternal ? new ByteArrayDeserializer() : plain(program.topicSerde(record.topic(), "value").deserializer());
      ObjectNode form = (isInternal ? internal : expect).addObject().put("topic", record.topic());
      form.set("key", json(record.key() == null ? null : keys.deserialize(record.topic(), record.key())));
      form.set("value", json(record.value() == null ? null : values.deserialize(record.topic(), record.value())));
      form.put("timestamp", record.timestamp());
      if (record.headers().iterator().hasNext()) record.headers().forEach(header -> putHeader(form.withArray("headers").addArray(), header));
    }
    written.clear();
  }

  private static void putHeader(ArrayNode form, Header header) {
    form.add(header.key());
    if (header.key().equals("__streams.errors.stacktrace")) form.add("*");
    else if (header.value() == null) form.addNull();
    else form.add(Base64.getEncoder().encodeToString(header.value()));
  }

  /** Null: the store takes no such query. */
  private static JsonNode answerOf(TopologyTestDriver driver, JsonNode query) {
    try {
      return Queries.answer(driver, query);
    } catch (RuntimeException error) {
      return null;
    }
  }

  private void putEnd(ObjectNode out, TopologyTestDriver driver) {
    Queries.putStores(out, driver, scenario);
    double dropped = 0;
    for (var metric : driver.metrics().entrySet()) {
      if (metric.getKey().name().equals("dropped-records-total")) dropped += ((Number) metric.getValue().metricValue()).doubleValue();
    }
    out.put("droppedRecords", (long) dropped);
  }

  /** Its own queues are one a topic: the order across topics is only known while the records are written. */
  private void watch(TopologyTestDriver driver) {
    class Queues extends HashMap<String, Queue<ProducerRecord<byte[], byte[]>>> {
      @Override
      public Queue<ProducerRecord<byte[], byte[]>> computeIfAbsent(String topic, Function<? super String, ? extends Queue<ProducerRecord<byte[], byte[]>>> make) {
        return super.computeIfAbsent(topic, name -> new LinkedList<>() {
          @Override
          public boolean add(ProducerRecord<byte[], byte[]> record) {
            return written.add(record);
          }
        });
      }
    }
    setField(driver, "outputRecordsByTopic", new Queues());
  }

  private static void putInternalTopics(ObjectNode out, Topology topology) {
    ObjectNode topics = out.putObject("internalTopics");
    ObjectNode repartition = topics.putObject("repartition");
    ObjectNode changelog = topics.putObject("changelog");
    var builder = (InternalTopologyBuilder) fieldOf(topology, "internalTopologyBuilder");
    for (var part : builder.subtopologyToTopicsInfo().values()) {
      part.repartitionSourceTopics.forEach((name, topic) -> {
        ObjectNode form = repartition.putObject(name);
        new TreeMap<>(topic.properties(Map.of(), 86_400_000L)).forEach(form::put);
        if (topic.hasEnforcedNumberOfPartitions()) form.put("partitions", topic.numberOfPartitions().get());
      });
      for (var topic : part.nonSourceChangelogTopics()) {
        ObjectNode form = changelog.putObject(topic.name());
        new TreeMap<>(topic.properties(Map.of(), 86_400_000L)).forEach(form::put);
      }
    }
  }

  private static Object fieldOf(Object owner, String name) {
    try {
      return field(owner, name).get(owner);
    } catch (ReflectiveOperationException error) {
      throw new IllegalStateException(error);
    }
  }

  private static void setField(Object owner, String name, Object value) {
    try {
      field(owner, name).set(owner, value);
    } catch (ReflectiveOperationException error) {
      throw new IllegalStateException(error);
    }
  }

  private static Field field(Object owner, String name) throws ReflectiveOperationException {
    Field field = owner.getClass().getDeclaredField(name);
    field.setAccessible(true);
    return field;
  }

  /** What is piped and shown of a topic with a strict serde are plain bytes. */
  private static Serializer plain(Serializer serializer) {
    return serializer instanceof Strict ? new StringSerializer() : serializer;
  }

  private static Deserializer plain(Deserializer deserializer) {
    return deserializer instanceof Strict ? new StringDeserializer() : deserializer;
  }

  private static Throwable rootOf(Throwable error) {
    return error.getCause() == null ? error : rootOf(error.getCause());
  }

  /** FORMAT.md, section 2. */
  private static Properties settings(JsonNode scenario, Path folder) {
    Properties settings = new Properties();
    settings.put("application.id", "app");
    settings.put("bootstrap.servers", "unused:1");
    settings.put("default.key.serde", Serdes.StringSerde.class);
    settings.put("default.value.serde", Serdes.StringSerde.class);
    settings.put("statestore.cache.max.bytes", 0L);
    settings.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0L);
    settings.put("__emit.interval.ms.kstreams.windowed.aggregation__", 0L);
    settings.put("state.dir", folder.toString());
    scenario.path("config").fields().forEachRemaining(setting -> settings.put(setting.getKey(), settingOf(setting.getValue())));
    return settings;
  }

  private static Object settingOf(JsonNode value) {
    if (value.isNumber()) return value.asLong();
    return switch (value.asText()) {
      case "LogAndContinue" -> LogAndContinueExceptionHandler.class;
      case "LogAndFail" -> LogAndFailExceptionHandler.class;
      case "LogAndContinueProcessing" -> LogAndContinueProcessingExceptionHandler.class;
      case "LogAndFailProcessing" -> LogAndFailProcessingExceptionHandler.class;
      case "ContinueProduction" -> ContinueProduction.class;
      case "inMemory" -> BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class;
      default -> value.asText();
    };
  }

  public static final class ContinueProduction implements ProductionExceptionHandler {
    @Override
    public void configure(Map<String, ?> settings) {}

    @Override
    public Response handleError(ErrorHandlerContext context, ProducerRecord<byte[], byte[]> record, Exception error) {
      return Response.resume();
    }

    @Override
    public Response handleSerializationError(ErrorHandlerContext context, ProducerRecord record, Exception error, SerializationExceptionOrigin origin) {
      return Response.resume();
    }
  }
}
