/** Drives a Connect worker with org.sourcelab:kafka-connect-client, as its users would. Started by try-connect-clients.py: the URL of the worker, a file with lines. */
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.sourcelab.kafka.connect.apiclient.Configuration;
import org.sourcelab.kafka.connect.apiclient.KafkaConnectClient;
import org.sourcelab.kafka.connect.apiclient.request.dto.ConnectorPluginConfigDefinition;
import org.sourcelab.kafka.connect.apiclient.request.dto.NewConnectorDefinition;
import org.sourcelab.kafka.connect.apiclient.request.post.PostConnectorRestart;
import org.sourcelab.kafka.connect.apiclient.rest.exceptions.ConcurrentConfigModificationException;
import org.sourcelab.kafka.connect.apiclient.rest.exceptions.InvalidRequestException;
import org.sourcelab.kafka.connect.apiclient.rest.exceptions.ResourceNotFoundException;

public class ConnectClientFlow {
    private static final List<String> failures = new ArrayList<>();

    public static void main(String[] args) throws Exception {
        var client = new KafkaConnectClient(new Configuration(args[0]));
        var config = Map.of("connector.class", "FileStreamSource", "file", args[1], "topic", "lines");
        check("server version", () -> !client.getConnectServerVersion().getVersion().isEmpty());
        check("create", () -> client.addConnector(NewConnectorDefinition.newBuilder().withName("j").withConfig(config).build()).getName().equals("j"));
        check("list", () -> client.getConnectors().contains("j"));
        eventually("runs", () -> client.getConnectorStatus("j").getTasks().get(0).getState().equals("RUNNING"));
        check("definition", () -> client.getConnector("j").getType().equals("source") && client.getConnectorConfig("j").get("topic").equals("lines"));
        check("expanded", () -> client.getConnectorsWithExpandedStatus().getStatusForConnector("j") != null
            && client.getConnectorsWithExpandedInfo().getDefinitionForConnector("j") != null
            && client.getConnectorsWithAllExpandedMetadata().getStatusForConnector("j").getConnector().get("state").equals("RUNNING"));
        check("tasks", () -> client.getConnectorTasks("j").size() == 1 && client.getConnectorTaskStatus("j", 0).getState().equals("RUNNING"));
        eventually("topics", () -> client.getConnectorTopics("j").getTopics().contains("lines"));
        check("reset topics", () -> client.resetConnectorTopics("j"));
        check("update", () -> client.updateConnectorConfig("j", with(config, "batch.size", "7")).getConfig().get("batch.size").equals("7"));
        check("pause", () -> client.pauseConnector("j"));
        eventually("is paused", () -> client.getConnectorStatus("j").getConnector().get("state").equals("PAUSED"));
        check("resume", () -> client.resumeConnector("j"));
        check("restart", () -> client.restartConnector("j") && client.restartConnector(new PostConnectorRestart("j").withIncludeTasks(true)));
        eventually("runs again", () -> client.getConnectorStatus("j").getTasks().get(0).getState().equals("RUNNING"));
        check("restart a task", () -> client.restartConnectorTask("j", 0));
        check("plugins", () -> client.getConnectorPlugins().stream().anyMatch((each) -> each.getClassName().endsWith("FileStreamSourceConnector")));
        check("validate", () -> client.validateConnectorPluginConfig(ConnectorPluginConfigDefinition.newBuilder()
            .withName("FileStreamSource").withConfig("connector.class", "FileStreamSource").build()).getErrorCount() > 0);
        refused("unknown name", ResourceNotFoundException.class, () -> client.getConnector("nobody"));
        refused("name that is taken", ConcurrentConfigModificationException.class, () -> client.addConnector(NewConnectorDefinition.newBuilder().withName("j").withConfig(config).build()));
        refused("wrong config", InvalidRequestException.class, () -> client.updateConnectorConfig("j", Map.of("connector.class", "FileStreamSource")));
        check("delete", () -> client.deleteConnector("j"));
        eventually("is gone", () -> client.getConnectors().isEmpty());
        System.exit(failures.isEmpty() ? 0 : 1);
    }

    private static Map<String, String> with(Map<String, String> config, String key, String value) {
        var all = new java.util.HashMap<>(config);
        all.put(key, value);
        return all;
    }

    private static void check(String step, Callable<Boolean> holds) {
        String seen = "it does not hold";
        try {
            if (holds.call()) seen = null;
        } catch (Exception error) {
            seen = error.toString();
        }
        if (seen != null) failures.add(step);
        System.out.println((seen == null ? "ok   " : "FAIL ") + "kafka-connect-client: " + step + (seen == null ? "" : ": " + seen));
    }

    /** Within half a minute. */
    private static void eventually(String step, Callable<Boolean> holds) throws InterruptedException {
        for (int tries = 0; tries < 150; tries++) {
            try {
                if (holds.call()) break;
            } catch (Exception error) {
                // such as a status that is not there yet
            }
            Thread.sleep(200);
        }
        check(step, holds);
    }

    private static void refused(String step, Class<? extends Exception> with, Callable<?> call) {
        check("refuses " + step, () -> {
            try {
                call.call();
                return false;
            } catch (Exception error) {
                if (with.isInstance(error)) return true;
                throw error;
            }
        });
    }
}
