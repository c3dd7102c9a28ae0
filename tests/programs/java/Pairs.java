// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Arrays;
import java.util.zip.Inflater;

/**
 * Opens and ends zlib streams under so many Java frames, and says what a pair took of its own CPU
 * time. Reads lines "FRAMES PAIRS"; answers each with the median of its slices in nanoseconds.
 */
public final class Pairs {
    private static final int SLICES = 9;
    /** main, measure, pairs, Inflater.<init> and init. */
    private static final int FIXED_FRAMES = 5;
    private static final int WARM_UP = 30000;

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private static void pairs(int n) {
        for (int i = 0; i < n; i++) {
            new Inflater(true).end();
        }
    }

    private static void goDown(int frames, int n) {
        if (frames == 0) {
            pairs(n);
        } else {
            goDown(frames - 1, n);
        }
    }

    private static double measure(int frames, int n) {
        double[] slices = new double[SLICES];
        for (int i = 0; i < SLICES; i++) {
            long begin = THREADS.getCurrentThreadCpuTime();
            goDown(frames - 1, n / SLICES);
            slices[i] = (double) (THREADS.getCurrentThreadCpuTime() - begin) / (n / SLICES);
        }
        Arrays.sort(slices);
        return slices[SLICES / 2];
    }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < WARM_UP; i++) {
            goDown(40, 1);
        }
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        System.out.println("ready pid=" + ProcessHandle.current().pid());
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            int frames = Integer.parseInt(words[0]) - FIXED_FRAMES;
            System.out.println(measure(frames, Integer.parseInt(words[1])));
        }
    }
}
