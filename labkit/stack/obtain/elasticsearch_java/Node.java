package lab;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Starts one Elasticsearch node from the server's core modules as Maven Central has them; an assembly of our own, not
 * the distribution that Elastic publishes.
 *
 * <p>The argument is the folder of the assembly; each system property es.NAME is the setting NAME.
 */
public class Node {
  public static void main(String[] args) throws Exception {
    Path home = Path.of(args[0]);
    LogConfigurator.configureWithoutConfig(Settings.EMPTY);
    Settings.Builder settings =
        Settings.builder()
            .put("path.home", home.toString())
            .put("node.name", "node-1")
            .put("network.host", "127.0.0.1")
            .put("discovery.type", "single-node");
    for (Map.Entry<Object, Object> property : System.getProperties().entrySet()) {
      String name = property.getKey().toString();
      if (name.startsWith("es.")) settings.put(name.substring(3), property.getValue().toString());
    }
    Path data = Path.of(settings.get("path.data"));
    settings.put("path.logs", data.resolve("logs").toString());
    // Its own configuration files would be here; all of ours are settings.
    Path config = Files.createDirectories(data.resolve("config"));
    Environment environment = new Environment(settings.build(), config);
    PluginsLoader plugins =
        PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(environment.modulesDir(), false),
            PluginsLoader.loadPluginsBundles(environment.pluginsDir(), false),
            Map.of(),
            false);
    org.elasticsearch.node.Node node = new org.elasticsearch.node.Node(environment, plugins);
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  try {
                    node.close();
                  } catch (Exception error) {
                    error.printStackTrace();
                  }
                }));
    node.start();
    System.out.println("READY");
    Thread.currentThread().join();
  }
}
