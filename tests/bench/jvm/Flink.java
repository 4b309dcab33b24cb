import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.serialization.AbstractDeserializationSchema;
import org.apache.flink.api.common.serialization.SimpleStringSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.util.Collector;

/**
 * Flink in one process, state on the heap, checkpoints at least once every ten seconds.
 * Arguments: BOOTSTRAP TOPIC OUT EVENTS sql|datastream
 */
public final class Flink {
    /** Sums what the source operators have read, so that counting costs the job nothing. */
    public static final class SourceCount implements MetricReporter {
        static final Set<Counter> COUNTERS = ConcurrentHashMap.newKeySet();

        static long sum() {
            return COUNTERS.stream().mapToLong(Counter::getCount).sum();
        }

        @Override
        public void open(MetricConfig config) {}

        @Override
        public void close() {}

        @Override
        public void notifyOfAddedMetric(Metric metric, String name, MetricGroup group) {
            String operator = group.getAllVariables().get("<operator_name>");
            if (metric instanceof Counter && name.equals("numRecordsIn") && operator != null
                    && operator.startsWith("Source")) {
                COUNTERS.add((Counter) metric);
            }
        }

        @Override
        public void notifyOfRemovedMetric(Metric metric, String name, MetricGroup group) {}

        /** Named in the configuration. */
        public static final class Factory implements MetricReporterFactory {
            @Override
            public MetricReporter createMetricReporter(Properties properties) {
                return new SourceCount();
            }
        }
    }

    /** Jackson, as Flink's own JSON format uses it. */
    public static final class Decode extends AbstractDeserializationSchema<Job.Event> {
        private transient ObjectReader reader;

        @Override
        public void open(InitializationContext context) {
            reader = new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false)
                    .readerFor(Job.Event.class);
        }

        @Override
        public Job.Event deserialize(byte[] data) throws IOException {
            return reader.readValue(data);
        }
    }

    /** The peers' job. */
    public static final class JobFunction extends KeyedProcessFunction<String, Job.Event, String> {
        private transient ValueState<Job.State> state;

        @Override
        public void open(OpenContext context) {
            state = getRuntimeContext().getState(new ValueStateDescriptor<>("room", Job.State.class));
        }

        @Override
        public void processElement(Job.Event event, Context context, Collector<String> out) throws Exception {
            Job.State room = state.value();
            if (room == null) {
                room = new Job.State();
            }
            String made = Job.update(room, event.room_id, event.type, event.at_ms);
            state.update(room);
            if (made != null) {
                Meter.emitted(made);
                out.collect(made);
            }
        }
    }

    private static final String SOURCE = """
            CREATE TABLE events (room_id STRING, `type` STRING, at_ms BIGINT,
              happened AS TO_TIMESTAMP_LTZ(at_ms, 3), WATERMARK FOR happened AS happened - INTERVAL '1' SECOND)
            WITH ('connector'='kafka', 'topic'='%s', 'properties.bootstrap.servers'='%s',
              'properties.group.id'='%s', 'scan.startup.mode'='earliest-offset', 'format'='json')""";
    private static final String SINK = """
            CREATE TABLE flooded (room_id STRING, window_end TIMESTAMP(3), comments BIGINT, total BIGINT)
            WITH ('connector'='kafka', 'topic'='%s', 'properties.bootstrap.servers'='%s', 'format'='json')""";
    private static final String QUERY = """
            INSERT INTO flooded
            SELECT room_id, window_end, COUNT(*) FILTER (WHERE `type` = 'viewer.comment'), COUNT(*)
            FROM TABLE(HOP(TABLE events, DESCRIPTOR(happened), INTERVAL '5' SECOND, INTERVAL '60' SECOND))
            GROUP BY room_id, window_start, window_end
            HAVING COUNT(*) FILTER (WHERE `type` = 'viewer.comment') >= 1000000""";

    public static void main(String[] args) throws Exception {
        String bootstrap = args[0], topic = args[1], output = args[2];
        String directory = System.getProperty("state"), group = "flink-" + System.nanoTime();
        Configuration settings = Configuration.fromMap(Map.ofEntries(
                Map.entry("state.backend.type", "hashmap"),
                Map.entry("execution.checkpointing.interval", "10 s"),
                Map.entry("execution.checkpointing.mode", "AT_LEAST_ONCE"),
                Map.entry("execution.checkpointing.dir", "file://" + directory + "/checkpoints"),
                Map.entry("execution.checkpointing.storage", "filesystem"),
                Map.entry("metrics.reporters", "count"),
                Map.entry("metrics.reporter.count.factory.class", "Flink$SourceCount$Factory"),
                Map.entry("taskmanager.numberOfTaskSlots", "1"),
                Map.entry("io.tmp.dirs", directory),
                Map.entry("pipeline.object-reuse", "true"),
                Map.entry("rest.bind-address", "127.0.0.1"),
                Map.entry("rest.port", "0"),
                Map.entry("taskmanager.memory.managed.size", "256m"),
                Map.entry("taskmanager.memory.network.max", "128m")));
        StreamExecutionEnvironment environment = StreamExecutionEnvironment.createLocalEnvironment(1, settings);
        Meter.watch(Long.parseLong(args[3]), SourceCount::sum);
        if (args[4].equals("sql")) {
            StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
            tables.executeSql(SOURCE.formatted(topic, bootstrap, group));
            tables.executeSql(SINK.formatted(output, bootstrap));
            tables.executeSql(QUERY).await();
            return;
        }
        KafkaSource<Job.Event> source = KafkaSource.<Job.Event>builder().setBootstrapServers(bootstrap).setTopics(topic)
                .setGroupId(group).setStartingOffsets(OffsetsInitializer.earliest())
                .setValueOnlyDeserializer(new Decode()).build();
        KafkaSink<String> sink = KafkaSink.<String>builder().setBootstrapServers(bootstrap)
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setRecordSerializer(KafkaRecordSerializationSchema.builder().setTopic(output)
                        .setValueSerializationSchema(new SimpleStringSchema()).build())
                .build();
        environment.fromSource(source, WatermarkStrategy.noWatermarks(), "Source: events")
                .keyBy(event -> event.room_id).process(new JobFunction()).sinkTo(sink);
        environment.execute("job");
    }
}
