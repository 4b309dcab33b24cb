/**
 * The peers' job as tests/bench/job.py does it: a window of 12 buckets of 5 s by kind, one record when comments flood a
 * room, then 10 s of quiet. Same constants, same bytes out.
 */
public final class Job {
    static final int COMMENTS = 30, BUCKETS = 12, BUCKET_MS = 5_000, KINDS = 6, COOLDOWN_MS = 10_000;
    static final int TOTALS = BUCKETS * KINDS;
    static final double SHARE = 0.3;

    /** What the job needs of an event; other fields are skipped. */
    public static final class Event {
        public String room_id;
        public String type;
        public long at_ms;
    }

    /** One room: cells by bucket and kind, totals by kind, newest bucket, end of the quiet time. */
    public static final class State {
        public int[] cells = new int[TOTALS + KINDS];
        public long head = -1;
        public long quietUntilMs;
    }

    static int kind(String type) {
        switch (type) {
            case "viewer.liked": return 0;
            case "viewer.comment": return 1;
            case "room.heartbeat": return 2;
            case "viewer.gift": return 3;
            case "host.speech": return 4;
            default: return 5;
        }
    }

    /** Counts one event; returns a record to emit, or null. */
    static String update(State state, String room, String type, long atMs) {
        long bucket = atMs / BUCKET_MS;
        int[] cells = state.cells;
        if (state.head < 0) {
            state.head = bucket;
        }
        if (bucket > state.head) {
            for (long fresh = Math.max(state.head + 1, bucket - BUCKETS + 1); fresh <= bucket; fresh++) {
                int base = (int) (fresh % BUCKETS) * KINDS;
                for (int k = 0; k < KINDS; k++) {
                    cells[TOTALS + k] -= cells[base + k];
                    cells[base + k] = 0;
                }
            }
            state.head = bucket;
        } else if (state.head - bucket >= BUCKETS) {
            return null;
        }
        int kind = kind(type);
        cells[(int) (bucket % BUCKETS) * KINDS + kind]++;
        cells[TOTALS + kind]++;
        int comments = cells[TOTALS + 1];
        if (comments < COMMENTS || atMs < state.quietUntilMs) {
            return null;
        }
        int total = 0;
        for (int k = 0; k < KINDS; k++) {
            total += cells[TOTALS + k];
        }
        if (comments < SHARE * total) {
            return null;
        }
        state.quietUntilMs = atMs + COOLDOWN_MS;
        return "{\"room_id\":\"" + room + "\",\"at_ms\":" + atMs + ",\"comments\":" + comments + ",\"total\":" + total
                + "}";
    }
}
