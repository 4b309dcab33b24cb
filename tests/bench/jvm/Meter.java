import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.LongSupplier;
import java.util.zip.CRC32;

/**
 * Measures between the 50 % and the 95 % mark, so that start-up and compilation stay out, and prints one line of JSON as
 * tests/bench/peers/meter.py does. With `-Dcheck=true` it waits for the end instead, and prints what came out.
 */
public final class Meter {
    static final LongAdder seen = new LongAdder();
    static final LongAdder out = new LongAdder();
    static final LongAdder digest = new LongAdder();
    static final boolean CHECK = Boolean.getBoolean("check");

    static void emitted(String record) {
        out.increment();
        if (CHECK) {
            CRC32 crc = new CRC32();
            crc.update(record.getBytes(StandardCharsets.UTF_8));
            digest.add(crc.getValue());
        }
    }

    private static long cpuNs() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getProcessCpuTime();
    }

    private static long rssMb() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                if (line.startsWith("VmHWM")) {
                    return Long.parseLong(line.replaceAll("\\D", "")) / 1024;
                }
            }
        } catch (IOException e) {
            return -1;
        }
        return -1;
    }

    /** Watches a counter from a thread of its own and ends the process when `events` have passed. */
    static void watch(long events, LongSupplier count) {
        Thread thread = new Thread(() -> {
            try {
                if (CHECK) {
                    check(events, count);
                } else {
                    measure(events, count);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    private static void measure(long events, LongSupplier count) throws InterruptedException {
        long from = 0, fromNs = 0, fromCpuNs = 0;
        while (true) {
            long now = count.getAsLong();
            if (from == 0 && now >= events / 2) {
                from = now;
                fromNs = System.nanoTime();
                fromCpuNs = cpuNs();
            }
            if (now >= events * 95 / 100) {
                double done = now - from, wallS = (System.nanoTime() - fromNs) / 1e9;
                double cpuS = (cpuNs() - fromCpuNs) / 1e9;
                finish(String.format("\"events_per_s\": %.1f, \"cpu_s_per_million\": %.4f", done / wallS, cpuS / done * 1e6));
            }
            Thread.sleep(2);
        }
    }

    private static void check(long events, LongSupplier count) throws InterruptedException {
        while (count.getAsLong() < events) {
            Thread.sleep(20);
        }
        long before = -1;
        while (before != out.sum()) { // what was read last may still be under way
            before = out.sum();
            Thread.sleep(1_500);
        }
        finish("\"digest\": " + digest.sum());
    }

    private static void finish(String measured) {
        System.out.printf("{%s, \"rss_mb\": %d, \"out\": %d}%n", measured, rssMb(), out.sum());
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }
}
