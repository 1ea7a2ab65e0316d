package lab;

import java.util.Collection;
import java.util.List;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.apache.lucene.util.Version;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.ClusterName;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/** Answers {@code GET /}, which clients ask first: in the distribution a module does that which is not published. */
public class Root extends Plugin implements ActionPlugin {
  @Override
  public Collection<RestHandler> getRestHandlers(
      ActionPlugin.RestHandlersServices services,
      Supplier<DiscoveryNodes> nodes,
      Predicate<NodeFeature> features) {
    return List.of(new Handler(ClusterName.CLUSTER_NAME_SETTING.get(services.settings()).value(), nodes));
  }

  private static class Handler extends BaseRestHandler {
    private final String cluster;
    private final Supplier<DiscoveryNodes> nodes;

    Handler(String cluster, Supplier<DiscoveryNodes> nodes) {
      this.cluster = cluster;
      this.nodes = nodes;
    }

    @Override
    public String getName() {
      return "main_action";
    }

    @Override
    public List<RestHandler.Route> routes() {
      return List.of(
          new RestHandler.Route(RestRequest.Method.GET, "/"),
          new RestHandler.Route(RestRequest.Method.HEAD, "/"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
      return channel -> {
        Build build = Build.current();
        XContentBuilder answer = channel.newBuilder();
        answer.startObject();
        answer.field("name", nodes.get().getLocalNode().getName());
        answer.field("cluster_name", cluster);
        answer.field("tagline", "You Know, for Search");
        answer.startObject("version");
        answer.field("number", build.version());
        answer.field("build_flavor", build.flavor());
        answer.field("build_type", build.type().displayName());
        answer.field("build_hash", build.hash());
        answer.field("build_date", build.date());
        answer.field("build_snapshot", build.isSnapshot());
        answer.field("lucene_version", Version.LATEST.toString());
        answer.field("minimum_wire_compatibility_version", build.minWireCompatVersion());
        answer.field("minimum_index_compatibility_version", build.minIndexCompatVersion());
        answer.endObject().endObject();
        channel.sendResponse(new RestResponse(RestStatus.OK, answer));
      };
    }
  }
}
