package recorder;

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
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.state.*;

/**
 * Serdes and functions that recordings name (test/vectors/streams/FORMAT.md, sections 3 and 6). In
 * all of them k is a key, v a value, and s what the recording says of the function.
 */
@SuppressWarnings({"unchecked", "rawtypes", "deprecation"})
final class Functions {
  static final ObjectMapper mapper = new ObjectMapper();

  static String show(Object x) {
    if (x == null) return "null";
    if (x instanceof String s) return s;
    if (x instanceof Windowed w) return show(w.key()) + "@" + w.window().start();
    if (x instanceof JsonNode j) return j.isTextual() ? j.asText() : j.toString();
    return x.toString();
  }

  static class Fail extends RuntimeException {
    Fail(String m) {
      super(m);
    }
  }

  static <T> T failOn(Object v, String arg, T r) {
    if (v != null && show(v).equals(arg)) throw new RuntimeException("failed on " + arg);
    return r;
  }

  // ---- serdes
  static class Strict implements Serializer<Object>, Deserializer<Object> {
    public byte[] serialize(String t, Object o) {
      if (o == null) return null;
      if ("bad".equals(o)) throw new org.apache.kafka.common.errors.SerializationException("bad");
      return o.toString().getBytes();
    }

    public Object deserialize(String t, byte[] b) {
      if (b == null) return null;
      String s = new String(b);
      if (s.equals("bad")) throw new org.apache.kafka.common.errors.SerializationException("bad");
      return s;
    }

    public void configure(Map m, boolean k) {}

    public void close() {}
  }

  static class Json implements Serializer<Object>, Deserializer<Object> {
    public byte[] serialize(String t, Object o) {
      try {
        return o == null ? null : mapper.writeValueAsBytes(o);
      } catch (Exception e) {
        throw new RuntimeException(e);
      }
    }

    public Object deserialize(String t, byte[] b) {
      try {
        if (b == null) return null;
        JsonNode n = mapper.readTree(b);
        return n.isTextual() ? n.asText() : n;
      } catch (Exception e) {
        throw new RuntimeException(e);
      }
    }

    public void configure(Map m, boolean k) {}

    public void close() {}
  }

  static Serde serde(JsonNode s) {
    if (s == null || s.isMissingNode() || s.isNull()) return null;
    if (s.isObject()) {
      if (s.has("windowed"))
        return new WindowedSerdes.TimeWindowedSerde(
            serde(s.get("windowed")), s.get("sizeMs").asLong());
      return new WindowedSerdes.SessionWindowedSerde(serde(s.get("session")));
    }
    return switch (s.asText()) {
      case "string" -> Serdes.String();
      case "long" -> Serdes.Long();
      case "integer" -> Serdes.Integer();
      case "double" -> Serdes.Double();
      case "bytes" -> Serdes.ByteArray();
      case "strictString" -> Serdes.serdeFrom(new Strict(), new Strict());
      case "json" -> Serdes.serdeFrom(new Json(), new Json());
      default -> throw new Fail("serde " + s);
    };
  }

  // ---- functions
  static String fn(JsonNode s) {
    return s.get("fn").asText();
  }

  static String arg(JsonNode s) {
    return s.path("arg").asText();
  }

  static int n(JsonNode s) {
    return s.path("n").asInt();
  }

  static Predicate<Object, Object> predicate(JsonNode s) {
    return (k, v) ->
        switch (fn(s)) {
          case "lengthOver" -> v != null && show(v).length() > n(s);
          case "startsWith" -> v != null && show(v).startsWith(arg(s));
          case "keyStartsWith" -> k != null && show(k).startsWith(arg(s));
          case "valueIsNull" -> v == null;
          case "over" -> v != null && ((Number) v).doubleValue() > n(s);
          case "always" -> true;
          case "never" -> false;
          case "failOn" -> failOn(v, arg(s), true);
          default -> throw new Fail(fn(s));
        };
  }

  static Object map(JsonNode s, Object k, Object v) {
    return switch (fn(s)) {
      case "same" -> v;
      case "upper" -> v == null ? null : show(v).toUpperCase();
      case "append" -> show(v) + arg(s);
      case "show" -> show(v);
      case "length" -> v == null ? -1L : (long) show(v).length();
      case "parseLong" -> v == null ? null : Long.parseLong(show(v));
      case "toNull" -> null;
      case "nullIf" -> show(v).equals(arg(s)) ? null : v;
      case "withKey" -> show(k) + ":" + show(v);
      case "failOn" -> failOn(v, arg(s), v);
      case "prefix" -> v == null ? null : show(v).substring(0, Math.min(n(s), show(v).length()));
      case "constant" -> arg(s);
      case "wrapJson" -> {
        ObjectNode n = mapper.createObjectNode();
        n.set("key", json(k));
        n.set("value", json(v));
        yield n;
      }
      case "jsonField" ->
          v instanceof JsonNode j && j.has(arg(s))
              ? j.get(arg(s)).isTextual()
                  ? j.get(arg(s)).asText()
                  : j.get(arg(s)).isNull() ? null : j.get(arg(s)).toString()
              : null;
      default -> throw new Fail(fn(s));
    };
  }

  static Object keyer(JsonNode s, Object k, Object v) {
    switch (fn(s)) {
      case "key":
        return k;
      case "value":
        return v;
      case "prefix":
        return v == null ? null : show(v).substring(0, Math.min(n(s), show(v).length()));
      case "keyPrefix":
        return k == null ? null : show(k).substring(0, Math.min(n(s), show(k).length()));
      case "constant":
        return arg(s);
      case "beforeBar":
        {
          if (v == null) return null;
          int i = show(v).indexOf('|');
          return i < 0 ? null : show(v).substring(0, i);
        }
      case "afterBar":
        {
          if (v == null) return null;
          int i = show(v).indexOf('|');
          return i < 0 ? null : show(v).substring(i + 1);
        }
      case "keyAppend":
        return show(k) + arg(s);
      case "nullIfValue":
        return v != null && show(v).equals(arg(s)) ? null : k;
      case "windowKey":
        return ((Windowed) k).key();
      case "showWindowKey":
        {
          Windowed w = (Windowed) k;
          return show(w.key()) + "@" + w.window().start() + "/" + w.window().end();
        }
      case "failOn":
        return failOn(v, arg(s), k);
      default:
        throw new Fail(fn(s));
    }
  }

  static List<String> words(Object v) {
    List<String> l = new ArrayList<>();
    if (v != null) for (String w : show(v).split(" ")) if (!w.isEmpty()) l.add(w);
    return l;
  }

  static Object join(JsonNode s, Object k, Object l, Object r) {
    return switch (fn(s)) {
      case "joinPlus" -> show(l) + "+" + show(r);
      case "joinWithKey" -> show(k) + ":" + show(l) + "+" + show(r);
      case "joinNullIf" -> show(r).equals(arg(s)) ? null : show(l) + "+" + show(r);
      case "left" -> l;
      case "failOnRight" -> failOn(r, arg(s), show(l) + "+" + show(r));
      default -> throw new Fail(fn(s));
    };
  }

  static ValueJoinerWithKey joiner(JsonNode s) {
    return (k, l, r) -> join(s, k, l, r);
  }

  static Reducer reducer(JsonNode s) {
    return (a, b) ->
        switch (fn(s)) {
          case "concat" -> show(a) + show(b);
          case "concatPlus" -> show(a) + "+" + show(b);
          case "concatMinus" -> show(a) + "-" + show(b);
          case "sum" -> (Object) ((Long) a + (Long) b);
          case "difference" -> (Long) a - (Long) b;
          case "last" -> b;
          case "max" -> (Long) a > (Long) b ? a : b;
          case "nullOn" -> show(b).equals(arg(s)) ? null : show(a) + show(b);
          default -> throw new Fail(fn(s));
        };
  }

  static Aggregator aggregator(JsonNode s) {
    return (k, v, g) ->
        switch (fn(s)) {
          case "concat" -> show(g) + show(v);
          case "plus" -> g + "+" + show(v);
          case "minus" -> g + "-" + show(v);
          case "tag" -> show(g) + arg(s) + show(v);
          case "addLength" -> (Object) ((Long) g + (v == null ? 0 : show(v).length()));
          case "subtractLength" -> (Long) g - (v == null ? 0 : show(v).length());
          case "nullOn" -> show(v).equals(arg(s)) ? null : show(g) + show(v);
          case "failOn" -> failOn(v, arg(s), show(g) + show(v));
          default -> throw new Fail(fn(s));
        };
  }

  static Merger merger(JsonNode s) {
    return (k, a, b) ->
        switch (fn(s)) {
          case "mergeConcat" -> show(a) + show(b);
          case "mergeBar" -> "(" + show(a) + "|" + show(b) + ")";
          case "mergeSum" -> (Object) ((Long) a + (Long) b);
          default -> throw new Fail(fn(s));
        };
  }

  static Object init(JsonNode o) {
    JsonNode i = o.get("init");
    return i == null || i.isNull() ? null : i.isNumber() ? (Object) i.asLong() : i.asText();
  }

  static TimestampExtractor extractor(JsonNode s) {
    return switch (fn(s)) {
      case "valueAfterAt" ->
          (r, p) -> {
            Long t = at(r.value());
            return t == null ? -1 : t;
          };
      case "valueAfterAtOrPartitionTime" ->
          (r, p) -> {
            Long t = at(r.value());
            return t == null ? p : t;
          };
      case "failOnInvalid" -> new FailOnInvalidTimestamp();
      case "logAndSkipOnInvalid" -> new LogAndSkipOnInvalidTimestamp();
      case "usePartitionTimeOnInvalid" -> new UsePartitionTimeOnInvalidTimestamp();
      default -> throw new Fail(fn(s));
    };
  }

  static Long at(Object v) {
    if (v == null) return null;
    var m = java.util.regex.Pattern.compile("@(-?\\d+)").matcher(show(v));
    return m.find() ? Long.parseLong(m.group(1)) : null;
  }

  static TopicNameExtractor topicOf(JsonNode s) {
    String f = fn(s);
    TopicNameExtractor e =
        new TopicNameExtractor() {
          public String extract(Object k, Object v, RecordContext c) {
            return switch (f) {
              case "outByPrefix" ->
                  "out-"
                      + (v == null ? "null" : show(v).substring(0, Math.min(1, show(v).length())));
              case "outByKey" -> "out-" + show(k);
              default -> "out-" + c.topic();
            };
          }

          public String toString() {
            return f;
          }
        };
    return e;
  }

  static JsonNode json(Object o) {
    if (o == null) return NullNode.instance;
    if (o instanceof String s) return new TextNode(s);
    if (o instanceof Long l) return new LongNode(l);
    if (o instanceof Integer l) return new IntNode(l);
    if (o instanceof Double d) return new DoubleNode(d);
    if (o instanceof byte[] b) return new TextNode(Base64.getEncoder().encodeToString(b));
    if (o instanceof JsonNode j) return j;
    if (o instanceof Windowed w) {
      ObjectNode n = mapper.createObjectNode();
      n.set("key", json(w.key()));
      n.put("start", w.window().start());
      if (w.window().end() == Long.MAX_VALUE) n.putNull("end");
      else n.put("end", w.window().end());
      return n;
    }
    throw new Fail("json " + o.getClass());
  }

  static Object value(JsonNode v, Serde s) {
    if (v == null || v.isNull()) return null;
    if (s instanceof Serdes.LongSerde) return v.asLong();
    if (s instanceof Serdes.IntegerSerde) return v.asInt();
    if (s instanceof Serdes.DoubleSerde) return v.asDouble();
    if (s instanceof Serdes.ByteArraySerde) return Base64.getDecoder().decode(v.asText());
    return v.isTextual() ? v.asText() : v;
  }
}
