// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.zip.Deflater;
import java.util.zip.GZIPInputStream;
import java.util.zip.GZIPOutputStream;

/**
 * Opens zlib streams as a broker does, and forgets to close them. See tests/programs/program.h for
 * the lines it prints; {@code done} has the streams opened and closed after {@code ready}.
 *
 * <pre>
 *   --kind gzip       a GZIPInputStream per message set, read once, kept, never closed
 *          deflater   a Deflater used once, kept, without end()
 *          dropped    a Deflater not even kept: its Cleaner ends it at some collection
 *   --count N --rate R   how many, how many per second
 *   --close           the twin that closes each one
 *   --virtual         on a virtual thread (Java 21)
 *   --wait, --hold    as in program.h
 * </pre>
 */
public final class Streams {
    private static final int WARM_UP = 50;

    private final List<Object> kept = new ArrayList<>();
    private final byte[] messageSet;
    private final boolean closes;
    private long opened;
    private long closed;

    private Streams(boolean closes) throws IOException {
        this.closes = closes;
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(packed)) {
            out.write(new byte[40000]);
        }
        messageSet = packed.toByteArray();
    }

    /** The bug: the iterator's stream is abandoned with the iterator. */
    private GZIPInputStream openIterator() throws IOException {
        GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(messageSet));
        opened++;
        in.read(new byte[100]);
        return in;
    }

    private void recoverSegment() throws IOException {
        GZIPInputStream in = openIterator();
        if (closes) {
            in.close();
            closed++;
        } else {
            kept.add(in);
        }
    }

    private void compressBatch(boolean keeps) {
        Deflater deflater = new Deflater();
        opened++;
        deflater.setInput(messageSet);
        deflater.finish();
        deflater.deflate(new byte[100]);
        if (closes) {
            deflater.end();
            closed++;
        } else if (keeps) {
            kept.add(deflater);
        }
    }

    private void step(String kind) throws IOException {
        switch (kind) {
            case "gzip": recoverSegment(); break;
            case "deflater": compressBatch(true); break;
            case "dropped": compressBatch(false); break;
            default: throw new IllegalArgumentException(kind);
        }
    }

    private static void waitForLine() throws IOException {
        int c;
        do {
            c = System.in.read();
        } while (c >= 0 && c != '\n');
    }

    private void run(String kind, long count, long rate) throws Exception {
        long start = System.nanoTime();
        for (long i = 1; i <= count; i++) {
            step(kind);
            long early = rate == 0 ? 0 : start + i * 1_000_000_000L / rate - System.nanoTime();
            if (early > 0) {
                Thread.sleep(early / 1_000_000, (int) (early % 1_000_000));
            }
        }
    }

    /** By reflection: the class files are Java 11's. */
    private void runVirtually(String kind, long count, long rate) throws Exception {
        Exception[] trouble = new Exception[1];
        Thread thread = (Thread) Thread.class.getMethod("startVirtualThread", Runnable.class)
            .invoke(null, (Runnable) () -> {
                try {
                    run(kind, count, rate);
                } catch (Exception e) {
                    trouble[0] = e;
                }
            });
        thread.join();
        if (trouble[0] != null) {
            throw trouble[0];
        }
    }

    public static void main(String[] args) throws Exception {
        String kind = "gzip";
        long count = 1000;
        long rate = 300;
        boolean closes = false;
        boolean waits = false;
        boolean holds = false;
        boolean virtual = false;
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "--kind": kind = args[++i]; break;
                case "--count": count = Long.parseLong(args[++i]); break;
                case "--rate": rate = Long.parseLong(args[++i]); break;
                case "--close": closes = true; break;
                case "--virtual": virtual = true; break;
                case "--wait": waits = true; break;
                case "--hold": holds = true; break;
                default: throw new IllegalArgumentException(args[i]);
            }
        }
        // Loads every class on the way: loading one may open a stream of the JVM's own.
        new Streams(true).run(kind, WARM_UP, 0);
        Streams streams = new Streams(closes);
        long pid = ProcessHandle.current().pid();
        System.out.println("ready pid=" + pid);
        System.out.flush();
        if (waits) {
            waitForLine();
        }
        if (virtual) {
            streams.runVirtually(kind, count, rate);
        } else {
            streams.run(kind, count, rate);
        }
        if (kind.equals("dropped") && !closes) {
            System.gc();
            Thread.sleep(500);
        }
        System.out.println(String.format(Locale.ROOT, "done pid=%d opened=%d closed=%d open=%d",
            pid, streams.opened, streams.closed, streams.opened - streams.closed));
        System.out.flush();
        if (holds) {
            waitForLine();
        }
    }
}
