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
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.state.*;

/**
 * Queries of stores (FORMAT.md, section 5), and all that is in them at the end. In all of it s is a
 * query.
 */
@SuppressWarnings({"unchecked", "rawtypes", "deprecation"})
final class Queries {
  static Object q(JsonNode n, String f) {
    JsonNode v = n.get(f);
    return v == null || v.isNull() ? null : v.isNumber() ? (Object) v.asLong() : v.asText();
  }

  static JsonNode val(Object v) {
    if (v == null) return NullNode.instance;
    ObjectNode n = mapper.createObjectNode();
    put(n, v);
    return n;
  }

  static void put(ObjectNode n, Object v) {
    if (v instanceof ValueAndTimestamp vt) {
      n.set("value", json(vt.value()));
      n.put("timestamp", vt.timestamp());
    } else if (v instanceof VersionedRecord vr) {
      n.set("value", json(vr.value()));
      n.put("timestamp", vr.timestamp());
    } else n.set("value", json(v));
  }

  static JsonNode rows(KeyValueIterator it) {
    ArrayNode a = mapper.createArrayNode();
    while (it.hasNext()) {
      KeyValue e = (KeyValue) it.next();
      ObjectNode n = a.addObject();
      n.set("key", json(e.key));
      put(n, e.value);
    }
    it.close();
    return a;
  }

  static JsonNode starts(WindowStoreIterator it) {
    ArrayNode a = mapper.createArrayNode();
    while (it.hasNext()) {
      KeyValue e = (KeyValue) it.next();
      ObjectNode n = a.addObject();
      n.put("start", (Long) e.key);
      put(n, e.value);
    }
    it.close();
    return a;
  }

  static JsonNode answer(TopologyTestDriver d, JsonNode s) {
    Object st = d.getAllStateStores().get(s.get("store").asText());
    if (st == null) throw new RuntimeException("no store");
    Object k = q(s, "key");
    String ty = s.get("type").asText();
    if (st instanceof VersionedKeyValueStore v)
      return ty.equals("get") ? val(v.get(k)) : val(v.get(k, s.get("asOf").asLong()));
    if (st instanceof KeyValueStore v)
      return switch (ty) {
        case "get" -> val(v.get(k));
        case "range" -> rows(v.range(q(s, "from"), q(s, "to")));
        case "reverseRange" -> rows(v.reverseRange(q(s, "from"), q(s, "to")));
        case "all" -> rows(v.all());
        case "reverseAll" -> rows(v.reverseAll());
        case "prefixScan" -> rows(v.prefixScan(q(s, "prefix"), new StringSerializer()));
        default -> new LongNode(v.approximateNumEntries());
      };
    if (st instanceof WindowStore v) {
      long a = s.path("from").asLong(), b = s.path("to").asLong();
      Object kf = q(s, "keyFrom"), kt = q(s, "keyTo");
      return switch (ty) {
        case "fetchOne" -> val(v.fetch(k, s.get("time").asLong()));
        case "fetch" -> starts(v.fetch(k, a, b));
        case "backwardFetch" -> starts(v.backwardFetch(k, a, b));
        case "fetchRange" -> rows(v.fetch(kf, kt, a, b));
        case "backwardFetchRange" -> rows(v.backwardFetch(kf, kt, a, b));
        case "fetchAll" -> rows(v.fetchAll(a, b));
        case "backwardFetchAll" -> rows(v.backwardFetchAll(a, b));
        case "all" -> rows(v.all());
        default -> rows(v.backwardAll());
      };
    }
    SessionStore v = (SessionStore) st;
    Object kf = q(s, "keyFrom"), kt = q(s, "keyTo");
    return switch (ty) {
      case "sessionFetch" -> rows(v.fetch(k));
      case "sessionBackwardFetch" -> rows(v.backwardFetch(k));
      case "sessionFetchRange" -> rows(v.fetch(kf, kt));
      case "findSessions" ->
          rows(v.findSessions(k, s.get("earliestEnd").asLong(), s.get("latestStart").asLong()));
      case "backwardFindSessions" ->
          rows(
              v.backwardFindSessions(
                  k, s.get("earliestEnd").asLong(), s.get("latestStart").asLong()));
      default -> val(v.fetchSession(k, s.get("start").asLong(), s.get("end").asLong()));
    };
  }

  static void putStores(ObjectNode out, TopologyTestDriver d, JsonNode scenario) {
    ObjectNode ss = out.putObject("stores");
    for (var e : d.getAllStateStores().entrySet()) {
      ArrayNode a = mapper.createArrayNode();
      StateStore st = e.getValue();
      try {
        if (st instanceof VersionedKeyValueStore vs) {
          Set<String> ks = new LinkedHashSet<>();
          for (JsonNode x : scenario.get("steps"))
            if (x.has("pipe") && x.get("pipe").get("key").isTextual())
              ks.add(x.get("pipe").get("key").asText());
          for (String k : ks) {
            VersionedRecord vr = vs.get(k);
            if (vr != null) {
              ObjectNode n = a.addObject();
              n.put("key", k);
              n.set("value", json(vr.value()));
              n.put("timestamp", vr.timestamp());
            }
          }
          ss.set(e.getKey(), a);
          continue;
        }
        if (st instanceof KeyValueStore kv) {
          try (KeyValueIterator it = kv.all()) {
            while (it.hasNext()) putRow(a, (KeyValue) it.next());
          }
        } else if (st instanceof WindowStore w) {
          try (KeyValueIterator it = w.all()) {
            while (it.hasNext()) putRow(a, (KeyValue) it.next());
          }
        } else if (st instanceof SessionStore w) {
          try (KeyValueIterator it = w.findSessions(null, null, 0, Long.MAX_VALUE)) {
            while (it.hasNext()) putRow(a, (KeyValue) it.next());
          }
        } else continue;
        ss.set(e.getKey(), a);
      } catch (Exception x) {
      }
    }
  }

  static void putRow(ArrayNode a, KeyValue kv) {
    ObjectNode n = mapper.createObjectNode();
    n.set("key", json(kv.key));
    if (kv.value instanceof ValueAndTimestamp vt) {
      n.set("value", json(vt.value()));
      n.put("timestamp", vt.timestamp());
    } else n.set("value", json(kv.value));
    a.add(n);
  }
}
