// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
import java.io.IOException;
import java.util.zip.Deflater;

/**
 * Uses a Deflater for each request and drops it without end(): what its Cleaner does about it
 * depends on the collector. {@code --gc MS} collects that often, 0 never. See tests/programs/program.h.
 */
public final class Collected {
    private static long opened;

    private static void compressRequest(byte[] request) {
        Deflater deflater = new Deflater();
        opened++;
        deflater.setInput(request);
        deflater.finish();
        deflater.deflate(new byte[100]);
    }

    private static void waitForLine() throws IOException {
        int c;
        do {
            c = System.in.read();
        } while (c >= 0 && c != '\n');
    }

    public static void main(String[] args) throws Exception {
        double seconds = 8;
        long every = 0;
        long rate = 100;
        boolean waits = false;
        boolean holds = false;
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "--seconds": seconds = Double.parseDouble(args[++i]); break;
                case "--gc": every = Long.parseLong(args[++i]); break;
                case "--rate": rate = Long.parseLong(args[++i]); break;
                case "--wait": waits = true; break;
                case "--hold": holds = true; break;
                default: throw new IllegalArgumentException(args[i]);
            }
        }
        byte[] request = new byte[2000];
        System.out.println("ready pid=" + ProcessHandle.current().pid());
        System.out.flush();
        if (waits) {
            waitForLine();
        }
        long start = System.nanoTime();
        long collected = 0;
        for (;;) {
            double now = (System.nanoTime() - start) / 1e9;
            if (now >= seconds) {
                break;
            }
            while (opened < now * rate) {
                compressRequest(request);
            }
            if (every > 0 && now * 1000 >= (collected + 1) * every) {
                System.gc();
                collected++;
            }
            Thread.sleep(2);
        }
        System.out.println("done pid=" + ProcessHandle.current().pid() + " opened=" + opened);
        System.out.flush();
        if (holds) {
            waitForLine();
        }
    }
}
