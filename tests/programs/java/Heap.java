// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Random;

/**
 * A healthy service with a cache: its Java heap grows to what -Xmx allows while the cache fills,
 * within {@code --fill} seconds, and is churned from then on. Not a byte of native memory is leaked.
 * See tests/programs/program.h for the lines it prints.
 */
public final class Heap {
    private static final int BLOCK = 16 << 10;

    private static void waitForLine() throws IOException {
        int c;
        do {
            c = System.in.read();
        } while (c >= 0 && c != '\n');
    }

    public static void main(String[] args) throws Exception {
        double fill = 5;
        double seconds = 10;
        boolean waits = false;
        boolean holds = false;
        for (int i = 0; i < args.length; i++) {
            switch (args[i]) {
                case "--fill": fill = Double.parseDouble(args[++i]); break;
                case "--seconds": seconds = Double.parseDouble(args[++i]); break;
                case "--wait": waits = true; break;
                case "--hold": holds = true; break;
                default: throw new IllegalArgumentException(args[i]);
            }
        }
        long bound = Runtime.getRuntime().maxMemory() * 6 / 10;
        ArrayDeque<byte[]> cache = new ArrayDeque<>();
        Random random = new Random(7);
        System.out.println("ready pid=" + ProcessHandle.current().pid());
        System.out.flush();
        if (waits) {
            waitForLine();
        }
        long start = System.nanoTime();
        long blocks = 0;
        double rate = bound / BLOCK / fill;
        for (;;) {
            double now = (System.nanoTime() - start) / 1e9;
            if (now >= seconds) {
                break;
            }
            while (blocks < now * rate) {
                byte[] block = new byte[BLOCK];
                block[random.nextInt(BLOCK)] = 1;
                cache.add(block);
                blocks++;
                if ((long) cache.size() * BLOCK > bound) {
                    cache.remove();
                }
            }
            Thread.sleep(5);
        }
        System.out.println("done pid=" + ProcessHandle.current().pid() + " blocks=" + blocks);
        System.out.flush();
        if (holds) {
            waitForLine();
        }
    }
}
