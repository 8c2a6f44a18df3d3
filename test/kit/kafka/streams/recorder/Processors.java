package recorder;

import static recorder.Functions.*;

import com.fasterxml.jackson.databind.*;
import com.fasterxml.jackson.databind.node.*;
import java.time.*;
import java.util.*;
import org.apache.kafka.common.header.*;
import org.apache.kafka.common.header.internals.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.*;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;

/** Processors and state stores that recordings name (FORMAT.md, sections 4 and 6). */
@SuppressWarnings({"unchecked", "rawtypes", "deprecation"})
final class Processors {
  static class ScriptedProcessor
      implements Processor<Object, Object, Object, Object>,
          FixedKeyProcessor<Object, Object, Object> {
    final JsonNode s;
    ProcessorContext c;
    FixedKeyProcessorContext fc;
    int seen;
    int count;
    StateStore store;

    ScriptedProcessor(JsonNode s) {
      this.s = s;
    }

    public void init(ProcessorContext c) {
      this.c = c;
      start(c);
    }

    public void init(FixedKeyProcessorContext c) {
      this.fc = c;
      start(c);
    }

    public void close() {}

    Cancellable[] can = new Cancellable[1];

    void start(ProcessingContext x) {
      if (s.has("store")) store = x.getStateStore(s.get("store").asText());
      if (s.has("intervalMs")) {
        can[0] =
            x.schedule(
                Duration.ofMillis(s.get("intervalMs").asLong()),
                s.path("type").asText().equals("wall")
                    ? PunctuationType.WALL_CLOCK_TIME
                    : PunctuationType.STREAM_TIME,
                t -> {
                  count++;
                  switch (fn(s)) {
                    case "punctuateCount":
                      c.forward(
                          new Record(
                              "punct",
                              t
                                  + ":"
                                  + count
                                  + ":"
                                  + c.currentStreamTimeMs()
                                  + ":"
                                  + c.currentSystemTimeMs(),
                              t));
                      break;
                    case "punctuateUntil":
                      c.forward(new Record("punct", t + ":" + count, t));
                      if (count == n(s)) can[0].cancel();
                      break;
                    case "punctuateStore":
                      {
                        List<KeyValue> l = new ArrayList<>();
                        try (KeyValueIterator it = ((KeyValueStore) store).all()) {
                          while (it.hasNext()) l.add((KeyValue) it.next());
                        }
                        for (KeyValue e : l)
                          c.forward(
                              new Record(
                                  e.key,
                                  e.value instanceof ValueAndTimestamp vt ? vt.value() : e.value,
                                  t));
                        break;
                      }
                    case "punctuateContext":
                      {
                        Optional<RecordMetadata> m = c.recordMetadata();
                        c.forward(
                            new Record(
                                "punct",
                                m.isEmpty()
                                    ? "none"
                                    : m.get().topic()
                                        + "/"
                                        + m.get().partition()
                                        + "/"
                                        + m.get().offset(),
                                t));
                        break;
                      }
                  }
                });
      }
    }

    public void process(Record r) {
      run(r.key(), r.value(), r.timestamp(), r.headers(), r, null);
    }

    public void process(FixedKeyRecord r) {
      run(r.key(), r.value(), r.timestamp(), r.headers(), null, r);
    }

    void forwardValue(Record r, FixedKeyRecord f, Object v) {
      if (r != null) c.forward(r.withValue(v));
      else fc.forward(f.withValue(v));
    }

    void put(Object k, Object v, long t) {
      if (store instanceof TimestampedKeyValueStore ts) ts.put(k, ValueAndTimestamp.make(v, t));
      else ((KeyValueStore) store).put(k, v);
    }

    void run(Object k, Object v, long ts, Headers h, Record r, FixedKeyRecord f) {
      KeyValueStore kv = store instanceof KeyValueStore x ? x : null;
      switch (fn(s)) {
        case "pass":
          forwardValue(r, f, v);
          break;
        case "drop":
          break;
        case "upper":
          forwardValue(r, f, v == null ? null : show(v).toUpperCase());
          break;
        case "forwardEvery":
          if (++seen % n(s) == 0) forwardValue(r, f, v);
          break;
        case "twice":
          forwardValue(r, f, v);
          forwardValue(r, f, show(v) + "2");
          break;
        case "keyFromValue":
          c.forward(r.withKey(v));
          break;
        case "shiftTimestamp":
          {
            long ms = s.get("ms").asLong();
            if (r != null) c.forward(r.withTimestamp(ts + ms));
            else fc.forward(f.withTimestamp(ts + ms));
            break;
          }
        case "addHeader":
          {
            Headers n = new RecordHeaders(h);
            n.add(s.get("name").asText(), s.get("value").asText().getBytes());
            if (r != null) c.forward(r.withHeaders(n));
            else fc.forward(f.withHeaders(n));
            break;
          }
        case "dropHeaders":
          if (r != null) c.forward(r.withHeaders(new RecordHeaders()));
          else fc.forward(f.withHeaders(new RecordHeaders()));
          break;
        case "context":
          {
            ProcessingContext p = c != null ? c : fc;
            var m = (Optional<RecordMetadata>) p.recordMetadata();
            String w =
                m.isEmpty()
                    ? "none"
                    : m.get().topic() + "/" + m.get().partition() + "/" + m.get().offset();
            forwardValue(
                r,
                f,
                show(v) + "|" + w + "|" + p.currentStreamTimeMs() + "|" + p.currentSystemTimeMs());
            break;
          }
        case "toChild":
          c.forward(
              r, s.get("children").get(v != null && show(v).startsWith(arg(s)) ? 0 : 1).asText());
          break;
        case "failOn":
          failOn(v, arg(s), v);
          forwardValue(r, f, v);
          break;
        case "requestCommit":
          (c != null ? c : fc).commit();
          forwardValue(r, f, v);
          break;
        case "dedupWithStore":
          if (kv.get(k) == null) {
            put(k, v, ts);
            forwardValue(r, f, v);
          }
          break;
        case "countWithStore":
          {
            Long o = (Long) kv.get(k);
            long nw = o == null ? 1 : o + 1;
            kv.put(k, nw);
            forwardValue(r, f, String.valueOf(nw));
            break;
          }
        case "lastWithStore":
          {
            Object o = kv.get(k);
            kv.put(k, v);
            forwardValue(r, f, show(o) + ">" + show(v));
            break;
          }
        case "storeRangeSize":
          {
            kv.put(k, v);
            int i = 0;
            try (KeyValueIterator it = kv.all()) {
              while (it.hasNext()) {
                it.next();
                i++;
              }
            }
            forwardValue(r, f, String.valueOf(i));
            break;
          }
        case "putOnly":
          put(k, v, ts);
          break;
        case "putUpper":
          put(k, v == null ? null : show(v).toUpperCase(), ts);
          break;
        case "putIfAbsent":
          forwardValue(r, f, show(kv.putIfAbsent(k, v)));
          break;
        case "deleteFromStore":
          forwardValue(r, f, show(kv.delete(k)));
          break;
        case "windowPut":
          ((WindowStore) store).put(k, v, ts);
          break;
        case "windowFetch":
          {
            WindowStore w = (WindowStore) store;
            w.put(k, v, ts);
            StringBuilder b = new StringBuilder();
            try (WindowStoreIterator it = w.fetch(k, Math.max(0, ts - s.get("ms").asLong()), ts)) {
              while (it.hasNext()) {
                KeyValue e = (KeyValue) it.next();
                b.append(e.key + "=" + show(e.value) + ",");
              }
            }
            forwardValue(r, f, b.toString());
            break;
          }
        case "sessionPut":
          {
            String[] p = show(v).split("-", 3);
            Windowed w =
                new Windowed(
                    k,
                    new org.apache.kafka.streams.kstream.internals.SessionWindow(
                        Long.parseLong(p[0]), Long.parseLong(p[1])));
            if (p.length < 3) ((SessionStore) store).remove(w);
            else ((SessionStore) store).put(w, p[2]);
            break;
          }
        case "versionedPut":
          forwardValue(r, f, String.valueOf(((VersionedKeyValueStore) store).put(k, v, ts)));
          break;
        case "versionedDelete":
          {
            VersionedRecord o = ((VersionedKeyValueStore) store).delete(k, ts);
            forwardValue(r, f, o == null ? "none" : show(o.value()) + "@" + o.timestamp());
            break;
          }
        default:
          if (s.has("intervalMs")) {
            if (store != null) put(k, v, ts);
          } else throw new Fail(fn(s));
      }
    }
  }

  static Set<StoreBuilder<?>> own(JsonNode s) {
    Set<StoreBuilder<?>> r = new LinkedHashSet<>();
    if (s.has("ownStores")) for (JsonNode o : s.get("ownStores")) r.add(store(o));
    return r.isEmpty() ? null : r;
  }

  static ProcessorSupplier supplier(JsonNode s) {
    Set<StoreBuilder<?>> o = own(s);
    return new ProcessorSupplier() {
      public Processor get() {
        return new ScriptedProcessor(s);
      }

      public Set<StoreBuilder<?>> stores() {
        return o;
      }
    };
  }

  static FixedKeyProcessorSupplier fixedSupplier(JsonNode s) {
    Set<StoreBuilder<?>> o = own(s);
    return new FixedKeyProcessorSupplier() {
      public FixedKeyProcessor get() {
        return new ScriptedProcessor(s);
      }

      public Set<StoreBuilder<?>> stores() {
        return o;
      }
    };
  }

  static StoreBuilder store(JsonNode o) {
    String name = o.get("store").asText();
    boolean mem = o.path("inMemory").asBoolean();
    Serde k = serde(o.get("key")), v = serde(o.get("value"));
    Duration ret = Duration.ofMillis(o.path("retentionMs").asLong()),
        win = Duration.ofMillis(o.path("windowMs").asLong());
    StoreBuilder b =
        switch (o.get("type").asText()) {
          case "keyValue" ->
              Stores.keyValueStoreBuilder(
                  mem ? Stores.inMemoryKeyValueStore(name) : Stores.persistentKeyValueStore(name),
                  k,
                  v);
          case "timestampedKeyValue" ->
              Stores.timestampedKeyValueStoreBuilder(
                  mem
                      ? Stores.inMemoryKeyValueStore(name)
                      : Stores.persistentTimestampedKeyValueStore(name),
                  k,
                  v);
          case "lru" ->
              Stores.keyValueStoreBuilder(Stores.lruMap(name, o.get("maxEntries").asInt()), k, v);
          case "window" ->
              Stores.windowStoreBuilder(
                  mem
                      ? Stores.inMemoryWindowStore(
                          name, ret, win, o.path("retainDuplicates").asBoolean())
                      : Stores.persistentWindowStore(
                          name, ret, win, o.path("retainDuplicates").asBoolean()),
                  k,
                  v);
          case "session" ->
              Stores.sessionStoreBuilder(
                  mem
                      ? Stores.inMemorySessionStore(name, ret)
                      : Stores.persistentSessionStore(name, ret),
                  k,
                  v);
          case "versioned" ->
              Stores.versionedKeyValueStoreBuilder(
                  o.has("segmentMs")
                      ? Stores.persistentVersionedKeyValueStore(
                          name,
                          Duration.ofMillis(o.get("historyMs").asLong()),
                          Duration.ofMillis(o.get("segmentMs").asLong()))
                      : Stores.persistentVersionedKeyValueStore(
                          name, Duration.ofMillis(o.get("historyMs").asLong())),
                  k,
                  v);
          default -> throw new Fail("store " + o);
        };
    if (o.path("caching").asBoolean()) b = b.withCachingEnabled();
    if (o.has("logging") && !o.get("logging").asBoolean()) b = b.withLoggingDisabled();
    return b;
  }
}
