import com.alibaba.fastjson2.JSON;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams with a changelog, at least once, commits every second.
 * Arguments: BOOTSTRAP TOPIC OUT EVENTS processor|hopping memory|rocksdb jackson|fastjson2
 */
public final class Streams {
    static final ObjectReader JACKSON = new ObjectMapper()
            .configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false)
            .readerFor(Job.Event.class);

    static Job.Event jackson(String topic, byte[] data) {
        try {
            return JACKSON.readValue(data);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static byte[] pack(Job.State state) {
        if (state == null) {
            return null;
        }
        ByteBuffer buffer = ByteBuffer.allocate(16 + 4 * state.cells.length).putLong(state.head).putLong(state.quietUntilMs);
        for (int cell : state.cells) {
            buffer.putInt(cell);
        }
        return buffer.array();
    }

    static Job.State unpack(byte[] data) {
        if (data == null) {
            return null;
        }
        ByteBuffer buffer = ByteBuffer.wrap(data);
        Job.State state = new Job.State();
        state.head = buffer.getLong();
        state.quietUntilMs = buffer.getLong();
        for (int i = 0; i < state.cells.length; i++) {
            state.cells[i] = buffer.getInt();
        }
        return state;
    }

    static byte[] packCounts(int[] counts) {
        if (counts == null) {
            return null;
        }
        ByteBuffer buffer = ByteBuffer.allocate(4 * counts.length);
        for (int count : counts) {
            buffer.putInt(count);
        }
        return buffer.array();
    }

    static int[] unpackCounts(byte[] data) {
        if (data == null) {
            return null;
        }
        int[] counts = new int[Job.KINDS];
        ByteBuffer.wrap(data).asIntBuffer().get(counts);
        return counts;
    }

    /** The peers' job with its state in a store. */
    static final class JobProcessor implements Processor<String, Job.Event, String, String> {
        private KeyValueStore<String, Job.State> store;
        private ProcessorContext<String, String> context;

        @Override
        public void init(ProcessorContext<String, String> context) {
            this.context = context;
            store = context.getStateStore("rooms");
        }

        @Override
        public void process(Record<String, Job.Event> record) {
            Job.Event event = record.value();
            Job.State state = store.get(event.room_id);
            if (state == null) {
                state = new Job.State();
            }
            String made = Job.update(state, event.room_id, event.type, event.at_ms);
            store.put(event.room_id, state);
            if (made != null) {
                Meter.emitted(made);
                context.forward(record.withValue(made));
            }
        }
    }

    public static void main(String[] args) {
        String bootstrap = args[0], topic = args[1], output = args[2], mode = args[4];
        boolean memory = args[5].equals("memory");
        Deserializer<Job.Event> decode = args[6].equals("jackson")
                ? Streams::jackson
                : (t, data) -> JSON.parseObject(data, Job.Event.class);
        Serde<Job.Event> events = Serdes.serdeFrom((t, event) -> null, decode);
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, Job.Event> source = builder.stream(topic, Consumed.with(Serdes.String(), events)
                .withTimestampExtractor((record, before) -> {
                    Meter.seen.increment();
                    return ((Job.Event) record.value()).at_ms;
                }));
        if (mode.equals("processor")) {
            var supplier = memory ? Stores.inMemoryKeyValueStore("rooms") : Stores.persistentKeyValueStore("rooms");
            Serde<Job.State> states =
                    Serdes.serdeFrom((t, state) -> pack(state), (t, data) -> unpack(data));
            builder.addStateStore(Stores.keyValueStoreBuilder(supplier, Serdes.String(), states)
                    .withCachingEnabled().withLoggingEnabled(Map.of()));
            source.process(JobProcessor::new, "rooms").to(output, Produced.with(Serdes.String(), Serdes.String()));
        } else {
            Duration size = Duration.ofSeconds(60), retention = Duration.ofSeconds(80);
            var windows = TimeWindows.ofSizeAndGrace(size, Duration.ofSeconds(1)).advanceBy(Duration.ofSeconds(5));
            var supplier = memory
                    ? Stores.inMemoryWindowStore("windows", retention, size, false)
                    : Stores.persistentWindowStore("windows", retention, size, false);
            Serde<int[]> counts =
                    Serdes.serdeFrom((t, c) -> packCounts(c), (t, data) -> unpackCounts(data));
            source.groupByKey(Grouped.with(Serdes.String(), events)).windowedBy(windows)
                    .aggregate(() -> new int[Job.KINDS], (key, event, c) -> {
                        c[Job.kind(event.type)]++;
                        return c;
                    }, Materialized.<String, int[]>as(supplier).withKeySerde(Serdes.String()).withValueSerde(counts))
                    .toStream().filter((key, c) -> c[1] >= 1_000_000)
                    .map((key, c) -> KeyValue.pair(key.key(), "" + c[1]))
                    .to(output, Produced.with(Serdes.String(), Serdes.String()));
        }
        String name = "streams-" + ProcessHandle.current().pid() + "-" + System.nanoTime() % 1_000_000;
        Properties settings = new Properties();
        settings.putAll(Map.of(
                "application.id", name,
                "bootstrap.servers", bootstrap,
                "num.stream.threads", "1",
                "commit.interval.ms", "1000",
                "processing.guarantee", "at_least_once",
                "state.dir", System.getProperty("state") + "/" + name,
                "statestore.cache.max.bytes", String.valueOf(10 << 20),
                "replication.factor", "1",
                "auto.offset.reset", "earliest",
                "producer.compression.type", "lz4"));
        Meter.watch(Long.parseLong(args[3]), Meter.seen::sum);
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.setUncaughtExceptionHandler(problem -> {
            problem.printStackTrace();
            Runtime.getRuntime().halt(3);
            return null;
        });
        streams.start();
    }
}
