package recorder;

import static recorder.Functions.*;
import static recorder.Processors.*;

import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.node.*;
import java.time.*;
import java.util.*;
import java.util.function.Function;
import org.apache.kafka.common.header.*;
import org.apache.kafka.common.header.internals.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.kstream.internals.NamedInternal;
import org.apache.kafka.streams.processor.*;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.state.*;

/**
 * Builds the topology of a scenario (FORMAT.md, section 4), operation by operation. In all of it o
 * is an operation, and m its Materialized.
 */
@SuppressWarnings({"unchecked", "rawtypes", "deprecation"})
final class Program {
  final JsonNode scenario;
  final Properties settings;
  final Map<String, Object> results = new HashMap<>();
  final StreamsBuilder b;
  final List<String> effects = new ArrayList<>();
  final ObjectNode branches = mapper.createObjectNode();

  Program(JsonNode scenario, Properties settings) {
    this.settings = settings;
    this.scenario = scenario;
    this.b = new StreamsBuilder(new TopologyConfig(new StreamsConfig(settings)));
  }

  static Named named(JsonNode o) {
    return o.has("name") ? Named.as(o.get("name").asText()) : NamedInternal.empty();
  }

  Consumed consumed(JsonNode o, String topic) {
    Consumed c = Consumed.with(topicSerde(topic, "key"), topicSerde(topic, "value"));
    if (o.has("extractor")) c = c.withTimestampExtractor(extractor(o.get("extractor")));
    if (o.has("name")) c = c.withName(o.get("name").asText());
    if (o.has("offsetReset"))
      c =
          c.withOffsetResetPolicy(
              o.get("offsetReset").asText().equals("latest")
                  ? AutoOffsetReset.latest()
                  : AutoOffsetReset.earliest());
    return c;
  }

  static Materialized materialized(JsonNode o) {
    JsonNode m = o.get("materialized");
    if (m == null) return null;
    Materialized r;
    String type = m.path("type").asText("persistent");
    String st = m.has("store") ? m.get("store").asText() : null;
    if (type.equals("lru"))
      r =
          Materialized.as(
              (KeyValueBytesStoreSupplier) Stores.lruMap(st, m.get("maxEntries").asInt()));
    else if (type.equals("versioned"))
      r =
          Materialized.as(
              (VersionedBytesStoreSupplier)
                  (m.has("segmentMs")
                      ? Stores.persistentVersionedKeyValueStore(
                          st,
                          Duration.ofMillis(m.get("historyMs").asLong()),
                          Duration.ofMillis(m.get("segmentMs").asLong()))
                      : Stores.persistentVersionedKeyValueStore(
                          st, Duration.ofMillis(m.get("historyMs").asLong()))));
    else if (st != null) {
      r = Materialized.as(st);
      if (type.equals("inMemory")) r = r.withStoreType(BuiltInDslStoreSuppliers.IN_MEMORY);
    } else if (type.equals("inMemory")) r = Materialized.as(BuiltInDslStoreSuppliers.IN_MEMORY);
    else r = Materialized.with(null, null);
    if (m.has("key")) r = r.withKeySerde(serde(m.get("key")));
    if (m.has("value")) r = r.withValueSerde(serde(m.get("value")));
    if (m.has("retentionMs")) r = r.withRetention(Duration.ofMillis(m.get("retentionMs").asLong()));
    if (m.has("caching"))
      r = m.get("caching").asBoolean() ? r.withCachingEnabled() : r.withCachingDisabled();
    if (m.has("logging") && !m.get("logging").asBoolean()) r = r.withLoggingDisabled();
    if (m.has("topicConfig")) {
      Map<String, String> c = new HashMap<>();
      m.get("topicConfig").fields().forEachRemaining(e -> c.put(e.getKey(), e.getValue().asText()));
      r = r.withLoggingEnabled(c);
    }
    return r;
  }

  static Grouped grouped(JsonNode o) {
    JsonNode g = o.get("grouped");
    if (g == null) return null;
    return Grouped.with(
        g.has("name") ? g.get("name").asText() : null, serde(g.get("key")), serde(g.get("value")));
  }

  <T> T from(JsonNode o) {
    Object r = results.get(o.get("from").asText());
    if (r == null) throw new Fail("no input " + o);
    return (T) r;
  }

  <T> T with(JsonNode o) {
    return (T) results.get(o.get("with").asText());
  }

  void apply(JsonNode o) {
    Object r = result(o);
    if (o.has("id") && r != null) results.put(o.get("id").asText(), r);
  }

  Object result(JsonNode o) {
    String op = o.get("op").asText();
    Named named = named(o);
    Materialized m = materialized(o);
    switch (op) {
      case "stream":
        {
          if (o.has("pattern"))
            return b.stream(
                java.util.regex.Pattern.compile(o.get("pattern").asText()),
                consumed(o, o.get("pattern").asText()));
          List<String> t = new ArrayList<>();
          o.get("topics").forEach(x -> t.add(x.asText()));
          return b.stream(t, consumed(o, t.get(0)));
        }
      case "table":
        {
          String t = o.get("topic").asText();
          return m == null ? b.table(t, consumed(o, t)) : b.table(t, consumed(o, t), m);
        }
      case "globalTable":
        {
          String t = o.get("topic").asText();
          return m == null ? b.globalTable(t, consumed(o, t)) : b.globalTable(t, consumed(o, t), m);
        }
      case "addStateStore":
        b.addStateStore(store(o));
        return null;
      case "addGlobalStore":
        {
          String t = o.get("topic").asText();
          JsonNode ps =
              mapper
                  .createObjectNode()
                  .put("fn", o.path("upper").asBoolean() ? "putUpper" : "putOnly")
                  .put("store", o.get("store").asText());
          b.addGlobalStore(store(o), t, consumed(o, t), supplier(ps));
          return null;
        }
      case "cogroup":
        {
          CogroupedKStream c = null;
          for (JsonNode x : o.get("from")) {
            KGroupedStream g = (KGroupedStream) results.get(x.get("group").asText());
            c =
                c == null
                    ? g.cogroup(aggregator(x.get("adder")))
                    : c.cogroup(g, aggregator(x.get("adder")));
          }
          return c;
        }
    }
    Object in = from(o);
    if (in instanceof KStream s) return ofStream(s, o, op, named, m);
    if (in instanceof KTable t) return ofTable(t, o, op, named, m);
    if (in instanceof KGroupedTable g) {
      return switch (op) {
        case "count" -> (m == null ? g.count(named) : g.count(named, m));
        case "reduce" ->
            g.reduce(
                reducer(o.get("adder")),
                reducer(o.get("subtractor")),
                named,
                m == null ? Materialized.with(null, null) : m);
        default -> {
          Initializer i = () -> init(o);
          Aggregator a = aggregator(o.get("adder")), u = aggregator(o.get("subtractor"));
          yield (m == null ? g.aggregate(i, a, u, named) : g.aggregate(i, a, u, named, m));
        }
      };
    }
    if (in instanceof KGroupedStream g) {
      if (op.equals("windowedBy")) {
        Object w = window(o.get("window"));
        return w instanceof SlidingWindows x
            ? g.windowedBy(x)
            : w instanceof SessionWindows x ? g.windowedBy(x) : g.windowedBy((Windows) w);
      }
      Initializer i = () -> init(o);
      return switch (op) {
        case "count" -> (m == null ? g.count(named) : g.count(named, m));
        case "reduce" ->
            g.reduce(
                reducer(o.get("reducer")), named, m == null ? Materialized.with(null, null) : m);
        default ->
            g.aggregate(
                i,
                aggregator(o.get("adder")),
                named,
                m == null ? Materialized.with(null, null) : m);
      };
    }
    if (in instanceof TimeWindowedKStream g) {
      if (op.equals("emitStrategy")) return g.emitStrategy(EmitStrategy.onWindowClose());
      Initializer i = () -> init(o);
      return switch (op) {
        case "count" -> (m == null ? g.count(named) : g.count(named, m));
        case "reduce" ->
            (m == null
                ? g.reduce(reducer(o.get("reducer")), named)
                : g.reduce(reducer(o.get("reducer")), named, m));
        default ->
            (m == null
                ? g.aggregate(i, aggregator(o.get("adder")), named)
                : g.aggregate(i, aggregator(o.get("adder")), named, m));
      };
    }
    if (in instanceof SessionWindowedKStream g) {
      if (op.equals("emitStrategy")) return g.emitStrategy(EmitStrategy.onWindowClose());
      Initializer i = () -> init(o);
      return switch (op) {
        case "count" -> (m == null ? g.count(named) : g.count(named, m));
        case "reduce" ->
            (m == null
                ? g.reduce(reducer(o.get("reducer")), named)
                : g.reduce(reducer(o.get("reducer")), named, m));
        default -> {
          Aggregator a = aggregator(o.get("adder"));
          Merger g2 = merger(o.get("merger"));
          yield (m == null ? g.aggregate(i, a, g2, named) : g.aggregate(i, a, g2, named, m));
        }
      };
    }
    if (in instanceof CogroupedKStream g) {
      if (op.equals("windowedBy")) {
        Object w = window(o.get("window"));
        return w instanceof SlidingWindows x
            ? g.windowedBy(x)
            : w instanceof SessionWindows x ? g.windowedBy(x) : g.windowedBy((Windows) w);
      }
      Initializer i = () -> init(o);
      return (m == null ? g.aggregate(i, named) : g.aggregate(i, named, m));
    }
    if (in instanceof TimeWindowedCogroupedKStream g) {
      Initializer i = () -> init(o);
      return (m == null ? g.aggregate(i, named) : g.aggregate(i, named, m));
    }
    if (in instanceof SessionWindowedCogroupedKStream g) {
      Initializer i = () -> init(o);
      Merger g2 = merger(o.get("merger"));
      return (m == null ? g.aggregate(i, g2, named) : g.aggregate(i, g2, named, m));
    }
    throw new Fail("op " + op + " of " + in.getClass());
  }

  static Object window(JsonNode w) {
    Duration g = Duration.ofMillis(w.path("graceMs").asLong());
    return switch (w.get("type").asText()) {
      case "tumbling" ->
          w.has("graceMs")
              ? TimeWindows.ofSizeAndGrace(Duration.ofMillis(w.get("sizeMs").asLong()), g)
              : TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(w.get("sizeMs").asLong()));
      case "hopping" ->
          (w.has("graceMs")
                  ? TimeWindows.ofSizeAndGrace(Duration.ofMillis(w.get("sizeMs").asLong()), g)
                  : TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(w.get("sizeMs").asLong())))
              .advanceBy(Duration.ofMillis(w.get("advanceMs").asLong()));
      case "sliding" ->
          SlidingWindows.ofTimeDifferenceAndGrace(
              Duration.ofMillis(w.get("differenceMs").asLong()), g);
      case "session" ->
          SessionWindows.ofInactivityGapAndGrace(Duration.ofMillis(w.get("gapMs").asLong()), g);
      default ->
          w.hasNonNull("startMs")
              ? UnlimitedWindows.of().startOn(Instant.ofEpochMilli(w.get("startMs").asLong()))
              : UnlimitedWindows.of();
    };
  }

  static String[] strings(JsonNode a) {
    List<String> l = new ArrayList<>();
    if (a != null) a.forEach(x -> l.add(x.asText()));
    return l.toArray(new String[0]);
  }

  Object ofStream(KStream s, JsonNode o, String op, Named named, Materialized m) {
    switch (op) {
      case "filter":
        return s.filter(predicate(o.get("when")), named);
      case "filterNot":
        return s.filterNot(predicate(o.get("when")), named);
      case "map":
        {
          KeyValueMapper f =
              (k, v) -> new KeyValue(keyer(o.get("toKey"), k, v), map(o.get("toValue"), k, v));
          return s.map(f, named);
        }
      case "mapValues":
        {
          ValueMapperWithKey f = (k, v) -> map(o.get("mapper"), k, v);
          return s.mapValues(f, named);
        }
      case "flatMap":
        {
          JsonNode q = o.get("mapper");
          KeyValueMapper f =
              (k, v) -> {
                List<KeyValue> l = new ArrayList<>();
                if (fn(q).equals("repeatKeyed"))
                  for (int i = 0; i < n(q); i++) l.add(new KeyValue(show(k) + i, v));
                else for (String w : words(v)) l.add(new KeyValue(w, v));
                return l;
              };
          return s.flatMap(f, named);
        }
      case "flatMapValues":
        {
          JsonNode q = o.get("mapper");
          ValueMapperWithKey f =
              (k, v) -> {
                List l = new ArrayList();
                if (fn(q).equals("repeat")) for (int i = 0; i < n(q); i++) l.add(v);
                else l.addAll(words(v));
                return l;
              };
          return s.flatMapValues(f, named);
        }
      case "selectKey":
        {
          KeyValueMapper f = (k, v) -> keyer(o.get("by"), k, v);
          return s.selectKey(f, named);
        }
      case "groupBy":
        {
          KeyValueMapper f = (k, v) -> keyer(o.get("by"), k, v);
          Grouped g = grouped(o);
          return g == null ? s.groupBy(f) : s.groupBy(f, g);
        }
      case "groupByKey":
        {
          Grouped g = grouped(o);
          return g == null ? s.groupByKey() : s.groupByKey(g);
        }
      case "peek":
        {
          ForeachAction f = (k, v) -> effects.add("peek " + show(k) + "=" + show(v));
          return s.peek(f, named);
        }
      case "foreach":
        {
          ForeachAction f = (k, v) -> effects.add("foreach " + show(k) + "=" + show(v));
          s.foreach(f, named);
          return null;
        }
      case "merge":
        return s.merge((KStream) with(o), named);
      case "split":
        return split(s, o, named);
      case "repartition":
        {
          Repartitioned r = Repartitioned.with(serde(o.get("key")), serde(o.get("value")));
          if (o.has("name")) r = r.withName(o.get("name").asText());
          if (o.has("partitions")) r = r.withNumberOfPartitions(o.get("partitions").asInt());
          return s.repartition(r);
        }
      case "process":
        {
          ProcessorSupplier p = supplier(o.get("processor"));
          return o.has("name")
              ? s.process(p, named, strings(o.get("stores")))
              : s.process(p, strings(o.get("stores")));
        }
      case "processValues":
        {
          FixedKeyProcessorSupplier p = fixedSupplier(o.get("processor"));
          return o.has("name")
              ? s.processValues(p, named, strings(o.get("stores")))
              : s.processValues(p, strings(o.get("stores")));
        }
      case "to":
        {
          if (o.has("extractor")) {
            Produced p = Produced.with(null, null);
            if (o.has("name")) p = p.withName(o.get("name").asText());
            s.to(topicOf(o.get("extractor")), p);
            return null;
          }
          String t = o.get("topic").asText();
          Produced p = Produced.with(topicSerde(t, "key"), topicSerde(t, "value"));
          if (o.has("name")) p = p.withName(o.get("name").asText());
          s.to(t, p);
          return null;
        }
      case "toTable":
        return (m == null ? s.toTable(named) : s.toTable(named, m));
    }
    Object w = with(o);
    ValueJoinerWithKey j = joiner(o.get("joiner"));
    if (w instanceof KTable t) {
      JsonNode jd = o.get("joined");
      if (jd == null) return op.equals("join") ? s.join(t, j) : s.leftJoin(t, j);
      Joined q =
          Joined.with(serde(jd.get("key")), serde(jd.get("value")), serde(jd.get("otherValue")));
      if (jd.has("name")) q = q.withName(jd.get("name").asText());
      if (jd.has("graceMs")) q = q.withGracePeriod(Duration.ofMillis(jd.get("graceMs").asLong()));
      return op.equals("join") ? s.join(t, j, q) : s.leftJoin(t, j, q);
    }
    if (w instanceof GlobalKTable g) {
      KeyValueMapper by = (k, v) -> keyer(o.get("by"), k, v);
      return op.equals("join") ? (s.join(g, by, j, named)) : (s.leftJoin(g, by, j, named));
    }
    JsonNode ww = o.get("windows");
    Duration gr = Duration.ofMillis(ww.path("graceMs").asLong());
    JoinWindows jw;
    if (ww.has("differenceMs"))
      jw =
          ww.has("graceMs")
              ? JoinWindows.ofTimeDifferenceAndGrace(
                  Duration.ofMillis(ww.get("differenceMs").asLong()), gr)
              : JoinWindows.ofTimeDifferenceWithNoGrace(
                  Duration.ofMillis(ww.get("differenceMs").asLong()));
    else {
      long be = ww.path("beforeMs").asLong(), af = ww.path("afterMs").asLong();
      jw =
          JoinWindows.ofTimeDifferenceAndGrace(
                  Duration.ofMillis(Math.max(Math.abs(be), Math.abs(af))), gr)
              .before(Duration.ofMillis(be))
              .after(Duration.ofMillis(af));
    }
    StreamJoined sj = StreamJoined.with(null, null, null);
    JsonNode d = o.get("streamJoined");
    if (d != null) {
      sj =
          StreamJoined.with(serde(d.get("key")), serde(d.get("value")), serde(d.get("otherValue")));
      if (d.has("name")) sj = sj.withName(d.get("name").asText());
      if (d.has("storeName")) sj = sj.withStoreName(d.get("storeName").asText());
      if (d.has("logging") && !d.get("logging").asBoolean()) sj = sj.withLoggingDisabled();
    }
    KStream other = (KStream) w;
    return switch (op) {
      case "join" -> s.join(other, j, jw, sj);
      case "leftJoin" -> s.leftJoin(other, j, jw, sj);
      default -> s.outerJoin(other, j, jw, sj);
    };
  }

  Object split(KStream s, JsonNode o, Named named) {
    BranchedKStream q = s.split(named);
    for (JsonNode x : o.get("branches")) {
      Branched br = branched(x);
      q = br == null ? q.branch(predicate(x.get("when"))) : q.branch(predicate(x.get("when")), br);
    }
    Map<String, KStream> r;
    JsonNode d = o.get("default");
    if (d == null) r = q.noDefaultBranch();
    else {
      Branched br = d.isObject() ? branched(d) : null;
      r = br == null ? q.defaultBranch() : q.defaultBranch(br);
    }
    ArrayNode names = branches.putArray(o.get("id").asText());
    new TreeSet<>(r.keySet()).forEach(names::add);
    r.forEach((k, v) -> results.put(o.get("id").asText() + "/" + k, v));
    return null;
  }

  Branched branched(JsonNode x) {
    String named = x.has("name") ? x.get("name").asText() : null;
    if (x.has("mapValues")) {
      Function<KStream, KStream> f =
          k -> k.mapValues((ValueMapperWithKey) (kk, v) -> map(x.get("mapValues"), kk, v));
      return named == null
          ? Branched.withFunction((Function) f)
          : Branched.withFunction((Function) f, named);
    }
    if (x.has("toTopic")) {
      java.util.function.Consumer<KStream> f =
          k ->
              k.to(
                  x.get("toTopic").asText(),
                  Produced.with(
                      topicSerde(x.get("toTopic").asText(), "key"),
                      topicSerde(x.get("toTopic").asText(), "value")));
      return named == null
          ? Branched.withConsumer((java.util.function.Consumer) f)
          : Branched.withConsumer((java.util.function.Consumer) f, named);
    }
    return named == null ? null : Branched.as(named);
  }

  Object ofTable(KTable t, JsonNode o, String op, Named named, Materialized m) {
    switch (op) {
      case "filter":
        {
          Predicate p = predicate(o.get("when"));
          return (m == null ? t.filter(p, named) : t.filter(p, named, m));
        }
      case "filterNot":
        {
          Predicate p = predicate(o.get("when"));
          return (m == null ? t.filterNot(p, named) : t.filterNot(p, named, m));
        }
      case "mapValues":
        {
          ValueMapperWithKey f = (k, v) -> map(o.get("mapper"), k, v);
          return (m == null ? t.mapValues(f, named) : t.mapValues(f, named, m));
        }
      case "transformValues":
        {
          JsonNode tr = o.get("transformer");
          ValueTransformerWithKeySupplier f =
              () ->
                  new ValueTransformerWithKey() {
                    KeyValueStore st;

                    public void init(org.apache.kafka.streams.processor.ProcessorContext c) {
                      if (tr.has("store")) st = c.getStateStore(tr.get("store").asText());
                    }

                    public Object transform(Object k, Object v) {
                      if (st == null) return show(k) + ":" + show(v);
                      Long c = (Long) st.get(k);
                      long nn = c == null ? 1 : c + 1;
                      st.put(k, nn);
                      return show(v) + "#" + nn;
                    }

                    public void close() {}
                  };
          String[] st = strings(o.get("stores"));
          return m == null
              ? (t.transformValues(f, named, st))
              : (t.transformValues(f, m, named, st));
        }
      case "toStream":
        {
          if (o.has("by")) {
            KeyValueMapper f = (k, v) -> keyer(o.get("by"), k, v);
            return t.toStream(f, named);
          }
          return t.toStream(named);
        }
      case "groupBy":
        {
          KeyValueMapper f =
              (k, v) ->
                  new KeyValue(
                      keyer(o.get("by"), k, v), o.has("toValue") ? map(o.get("toValue"), k, v) : v);
          Grouped g = grouped(o);
          return g == null ? t.groupBy(f) : t.groupBy(f, g);
        }
      case "suppress":
        {
          Suppressed q;
          boolean close = o.get("until").isTextual();
          if (close) {
            Suppressed.StrictBufferConfig c = Suppressed.BufferConfig.unbounded();
            if (o.has("maxRecords"))
              c = c.withMaxRecords(o.get("maxRecords").asLong()).shutDownWhenFull();
            if (o.has("maxBytes"))
              c = c.withMaxBytes(o.get("maxBytes").asLong()).shutDownWhenFull();
            q = Suppressed.untilWindowCloses(c);
          } else {
            Suppressed.BufferConfig c = Suppressed.BufferConfig.unbounded();
            if (o.has("maxRecords") || o.has("maxBytes")) {
              Suppressed.EagerBufferConfig e =
                  o.has("maxRecords")
                      ? Suppressed.BufferConfig.maxRecords(o.get("maxRecords").asLong())
                      : Suppressed.BufferConfig.maxBytes(o.get("maxBytes").asLong());
              if (o.has("maxRecords") && o.has("maxBytes"))
                e = e.withMaxBytes(o.get("maxBytes").asLong());
              c = e;
              if (o.path("whenFull").asText().equals("shutDown")) c = e.shutDownWhenFull();
            }
            q =
                Suppressed.untilTimeLimit(
                    Duration.ofMillis(o.get("until").get("timeLimitMs").asLong()), c);
          }
          if (o.has("name"))
            q =
                (Suppressed)
                    ((org.apache.kafka.streams.kstream.internals.suppress.NamedSuppressed) q)
                        .withName(o.get("name").asText());
          return t.suppress(q);
        }
    }
    KTable w = with(o);
    JsonNode j = o.get("joiner");
    if (o.has("foreignKey")) {
      Function f = v -> keyer(o.get("foreignKey"), null, v);
      ValueJoiner vj = (l, r) -> join(j, null, l, r);
      TableJoined tj = o.has("name") ? TableJoined.as(o.get("name").asText()) : null;
      if (op.equals("join"))
        return tj == null
            ? (m == null ? t.join(w, f, vj) : t.join(w, f, vj, m))
            : (m == null ? t.join(w, f, vj, tj) : t.join(w, f, vj, tj, m));
      return tj == null
          ? (m == null ? t.leftJoin(w, f, vj) : t.leftJoin(w, f, vj, m))
          : (m == null ? t.leftJoin(w, f, vj, tj) : t.leftJoin(w, f, vj, tj, m));
    }
    ValueJoiner vj = (l, r) -> join(j, null, l, r);
    return switch (op) {
      case "join" -> (m == null ? t.join(w, vj, named) : t.join(w, vj, named, m));
      case "leftJoin" -> (m == null ? t.leftJoin(w, vj, named) : t.leftJoin(w, vj, named, m));
      default -> (m == null ? t.outerJoin(w, vj, named) : t.outerJoin(w, vj, named, m));
    };
  }

  /** Throws what building it throws. */
  Topology build() {
    if (scenario.path("api").asText().equals("processor")) return processorProgram();
    for (JsonNode o : scenario.get("topology")) apply(o);
    return b.build(settings);
  }

  Topology processorProgram() {
    Topology t = new Topology();
    for (JsonNode o : scenario.get("topology")) {
      String name = o.path("name").asText();
      switch (o.get("op").asText()) {
        case "addSource":
          {
            String[] ts = strings(o.get("topics"));
            Deserializer kd = topicSerde(ts.length == 0 ? "" : ts[0], "key").deserializer(),
                vd = topicSerde(ts.length == 0 ? "" : ts[0], "value").deserializer();
            if (o.has("extractor"))
              t.addSource((AutoOffsetReset) null, name, extractor(o.get("extractor")), kd, vd, ts);
            else t.addSource(name, kd, vd, ts);
            break;
          }
        case "addProcessor":
          t.addProcessor(name, supplier(o.get("processor")), strings(o.get("parents")));
          break;
        case "addSink":
          {
            if (o.has("extractor"))
              t.addSink(
                  name,
                  topicOf(o.get("extractor")),
                  serde(o.get("key")).serializer(),
                  serde(o.get("value")).serializer(),
                  strings(o.get("parents")));
            else {
              String tp = o.get("topic").asText();
              t.addSink(
                  name,
                  tp,
                  topicSerde(tp, "key").serializer(),
                  topicSerde(tp, "value").serializer(),
                  strings(o.get("parents")));
            }
            break;
          }
        case "addStateStore":
          t.addStateStore(store(o), strings(o.get("processors")));
          break;
        case "addGlobalStore":
          {
            String tp = o.get("topic").asText(), n2 = o.get("name").asText();
            JsonNode ps =
                mapper
                    .createObjectNode()
                    .put("fn", o.path("upper").asBoolean() ? "putUpper" : "putOnly")
                    .put("store", o.get("store").asText());
            t.addGlobalStore(
                store(o).withLoggingDisabled(),
                n2 + "-source",
                topicSerde(tp, "key").deserializer(),
                topicSerde(tp, "value").deserializer(),
                tp,
                n2,
                supplier(ps));
            break;
          }
        case "addReadOnlyStateStore":
          {
            String tp = o.get("topic").asText(), n2 = o.get("name").asText();
            JsonNode ps =
                mapper
                    .createObjectNode()
                    .put("fn", "putOnly")
                    .put("store", o.get("store").asText());
            t.addReadOnlyStateStore(
                store(o),
                n2 + "-source",
                topicSerde(tp, "key").deserializer(),
                topicSerde(tp, "value").deserializer(),
                tp,
                n2,
                supplier(ps));
            break;
          }
        case "connectProcessorAndStateStores":
          t.connectProcessorAndStateStores(o.get("to").asText(), strings(o.get("stores")));
          break;
        default:
          throw new Fail("papi " + o.get("op"));
      }
    }
    return t;
  }

  Serde topicSerde(String topic, String part) {
    JsonNode t = scenario.path("topics").path(topic);
    if (t.isMissingNode()) return Serdes.String();
    Serde s = serde(t.get(part));
    return s == null ? Serdes.String() : s;
  }
}
