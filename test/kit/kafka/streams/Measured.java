import com.fasterxml.jackson.databind.ObjectMapper;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;

/**
 * The programs of bench/reference-programs.ts as Kafka Streams has them, measured.
 * Measured BOOTSTRAP CASE STORES(inMemory|rocksDB) GUARANTEE(at_least_once|exactly_once_v2) THREADS RECORDS: reads what is in the topics, until so
 * many records were processed, and prints one line: seconds from the first to the last, and CPU seconds of this process since the start of the program.
 */
public class Measured {
  static final Serde<String> text = Serdes.String();
  static final ObjectMapper json = new ObjectMapper();
  static final AtomicLong processed = new AtomicLong();
  static final CountDownLatch done = new CountDownLatch(1);
  static volatile long firstAt, lastAt;
  static long wanted;

  public static class Event { public String user, page; public long ts; }

  static final Serde<Event> event = Serdes.serdeFrom(
    (topic, value) -> { try { return value == null ? null : json.writeValueAsBytes(value); } catch (Exception e) { throw new IllegalStateException(e); } },
    (topic, bytes) -> { try { return bytes == null ? null : json.readValue(bytes, Event.class); } catch (Exception e) { throw new IllegalStateException(e); } });

  static void note() {
    long count = processed.incrementAndGet();
    if (count == 1) firstAt = System.nanoTime();
    if (count == wanted) { lastAt = System.nanoTime(); done.countDown(); }
  }

  public static void main(String[] args) throws Exception {
    String program = args[1];
    wanted = Long.parseLong(args[5]);
    String application = "java-" + program + "-" + args[3] + "-" + ProcessHandle.current().pid();
    Properties settings = new Properties();
    settings.putAll(Map.of("application.id", application, "bootstrap.servers", args[0], "num.stream.threads", args[4], "processing.guarantee", args[3], "auto.offset.reset", "earliest",
      "state.dir", System.getProperty("java.io.tmpdir"), "default.key.serde", text.getClass().getName(), "default.value.serde", text.getClass().getName()));
    settings.put("dsl.store.suppliers.class", "org.apache.kafka.streams.state.BuiltInDslStoreSuppliers$" + (args[2].equals("inMemory") ? "InMemoryDslStoreSuppliers" : "RocksDBDslStoreSuppliers"));
    // What is counted there are results, which wait for a commit.
    if (program.equals("foreign-key-join")) settings.put("commit.interval.ms", "100");
    KafkaStreams streams = new KafkaStreams(topology(program), settings);
    streams.setUncaughtExceptionHandler(error -> { error.printStackTrace(); System.exit(3); return null; });
    double before = cpuSeconds();
    streams.start();
    if (!done.await(600, TimeUnit.SECONDS)) throw new IllegalStateException(program + " processed only " + processed);
    double cpu = cpuSeconds() - before;
    streams.close(Duration.ofSeconds(30));
    System.out.printf(Locale.ROOT, "{\"seconds\":%.3f,\"cpuSeconds\":%.3f}%n", (lastAt - firstAt) / 1e9, cpu);
    System.exit(0);
  }

  static double cpuSeconds() {
    return ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean()).getProcessCpuTime() / 1e9;
  }

  static <K, V> KStream<K, V> noted(KStream<K, V> stream) {
    return stream.peek((key, value) -> note());
  }

  static Topology topology(String program) {
    StreamsBuilder builder = new StreamsBuilder();
    switch (program) {
      case "stateless":
        noted(builder.stream("lines", Consumed.with(text, text))).filter((key, line) -> line.charAt(0) != 'a').mapValues(line -> line.toUpperCase()).to("out");
        break;
      case "word-count":
        builder.stream("lines", Consumed.with(text, text)).flatMapValues(line -> Arrays.asList(line.split(" "))).groupBy((key, word) -> word, Grouped.with(text, text))
          .aggregate(() -> 0L, (word, one, count) -> { note(); return count + 1; }, Materialized.with(text, Serdes.Long())).toStream().to("counted", Produced.with(text, Serdes.Long()));
        break;
      case "windowed-count":
        noted(builder.stream("events", Consumed.with(text, event).withTimestampExtractor((record, time) -> ((Event) record.value()).ts))).groupByKey(Grouped.with(text, event))
          .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMinutes(1))).count()
          .toStream((window, count) -> window.key() + "@" + window.window().start()).to("counted", Produced.with(text, Serdes.Long()));
        break;
      case "stream-table-join":
        noted(builder.stream("orders", Consumed.with(text, text))).join(builder.table("customers", Consumed.with(text, text)), (order, customer) -> order + customer).to("out");
        break;
      case "table-table-join":
        noted(builder.stream("left", Consumed.with(text, text))).toTable().join(noted(builder.stream("right", Consumed.with(text, text))).toTable(), (left, right) -> left + right).toStream().to("out");
        break;
      case "foreign-key-join":
        builder.table("events", Consumed.with(text, event)).join(builder.table("customers", Consumed.with(text, text)), value -> "k" + Integer.parseInt(value.user.substring(5)), (value, customer) -> value.page + customer)
          .toStream().peek((key, joined) -> note()).to("out");
        break;
      case "stream-stream-join":
        noted(builder.stream("left", Consumed.with(text, text))).join(noted(builder.stream("right", Consumed.with(text, text))), (left, right) -> left + right,
          JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofSeconds(10)), StreamJoined.with(text, text, text)).to("out");
        break;
      default:
        throw new IllegalArgumentException(program);
    }
    return builder.build();
  }
}
