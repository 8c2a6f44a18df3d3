import java.time.Duration;
import java.util.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/**
 * The programs of test/faults/same-as-kafka-streams.test.ts as Kafka Streams has them.
 * Programs BOOTSTRAP PREFIX CASE...: runs the cases side by side, until each has processed all that is in its topics.
 * A case reads topics named PREFIX-CASE-..., and writes PREFIX-CASE-java; its application id is PREFIX-CASE-java-app.
 */
public class Programs {
  static final Serde<String> text = Serdes.String();

  public static void main(String[] args) throws Exception {
    List<KafkaStreams> running = new ArrayList<>();
    List<String> applications = new ArrayList<>();
    for (String program : Arrays.asList(args).subList(2, args.length)) {
      String base = args[1] + "-" + program;
      KafkaStreams streams = new KafkaStreams(topology(program, base), settings(args[0], base + "-java-app"));
      streams.setUncaughtExceptionHandler(error -> { error.printStackTrace(); System.exit(3); return null; });
      streams.start();
      running.add(streams);
      applications.add(base);
    }
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      for (String base : applications) awaitEnd(admin, base);
    }
    for (KafkaStreams streams : running) streams.close(Duration.ofSeconds(30));
    System.out.println("done");
    System.exit(0);
  }

  static Topology topology(String program, String base) {
    StreamsBuilder builder = new StreamsBuilder();
    String output = base + "-java";
    switch (program) {
      case "words":
        builder.stream(base + "-lines", Consumed.with(text, text))
          .flatMapValues(line -> Arrays.asList(line.split(" ")))
          .groupBy((key, word) -> word, Grouped.with(text, text))
          .count()
          .toStream().to(output, Produced.with(text, Serdes.Long()));
        break;
      case "windows":
        builder.stream(base + "-events", Consumed.with(text, Serdes.Long()))
          .groupByKey(Grouped.with(text, Serdes.Long()))
          .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofSeconds(10), Duration.ofSeconds(3)))
          .aggregate(() -> 0L, (key, value, sum) -> sum + value, Materialized.with(text, Serdes.Long()))
          .toStream((window, sum) -> window.key() + "@" + window.window().start())
          .to(output, Produced.with(text, Serdes.Long()));
        break;
      case "streams":
        builder.stream(base + "-left", Consumed.with(text, text))
          .leftJoin(builder.stream(base + "-right", Consumed.with(text, text)), (left, right) -> left + "+" + right,
            JoinWindows.ofTimeDifferenceAndGrace(Duration.ofSeconds(4), Duration.ofSeconds(1)), StreamJoined.with(text, text, text))
          .to(output, Produced.with(text, text));
        break;
      case "tables":
        builder.table(base + "-orders", Consumed.with(text, text))
          .join(builder.table(base + "-customers", Consumed.with(text, text)), order -> order.split(":")[0], (order, customer) -> order + " by " + customer)
          .toStream().to(output, Produced.with(text, text));
        break;
      default:
        throw new IllegalArgumentException(program);
    }
    return builder.build();
  }

  static Properties settings(String bootstrap, String applicationId) {
    Properties settings = new Properties();
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, applicationId);
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("java.io.tmpdir"));
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "100");
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0");
    settings.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class.getName());
    settings.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class.getName());
    settings.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG, org.apache.kafka.streams.state.BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
    // Records without a partner are sent when they are due, and not up to a second of wall time later.
    settings.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0L);
    return settings;
  }

  /** Until all that is in the case's inputs and in the topics between its parts is committed, twice in a row. */
  static void awaitEnd(Admin admin, String base) throws Exception {
    String application = base + "-java-app";
    for (int quiet = 0; quiet < 2; Thread.sleep(300)) {
      Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
      Set<String> topics = admin.listTopics().names().get().stream()
        .filter(name -> name.startsWith(base) && !name.endsWith("-changelog") && !name.equals(base + "-java") && !name.equals(base + "-millrace") && !name.startsWith(base + "-millrace-app"))
        .collect(Collectors.toSet());
      for (TopicDescription topic : admin.describeTopics(topics).allTopicNames().get().values())
        topic.partitions().forEach(partition -> wanted.put(new TopicPartition(topic.name(), partition.partition()), OffsetSpec.latest()));
      Map<TopicPartition, OffsetAndMetadata> committed = admin.listConsumerGroupOffsets(application).partitionsToOffsetAndMetadata().get();
      boolean caughtUp = true;
      for (var end : admin.listOffsets(wanted).all().get().entrySet()) {
        OffsetAndMetadata offset = committed.get(end.getKey());
        caughtUp &= end.getValue().offset() == 0 || (offset != null && offset.offset() >= end.getValue().offset());
      }
      quiet = caughtUp ? quiet + 1 : 0;
    }
  }
}
