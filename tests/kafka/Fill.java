// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
import java.util.Properties;
import java.util.Random;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Fills a topic with gzip batches of about 8 KB, as a busy producer would: Fill BROKER TOPIC MEGABYTES. */
public final class Fill {
    private static final int VALUE_SIZE = 1000;
    private static final int RANDOM_PART = 500;

    private Fill() {
    }

    public static void main(String[] args) throws Exception {
        long values = Long.parseLong(args[2]) * 1_000_000 / VALUE_SIZE;
        Properties config = new Properties();
        config.put("bootstrap.servers", args[0]);
        config.put("compression.type", "gzip");
        config.put("batch.size", "16384");
        config.put("linger.ms", "20");
        config.put("acks", "1");
        config.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        config.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        Random random = new Random(1);
        byte[] noise = new byte[RANDOM_PART];
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config)) {
            for (long i = 0; i < values; i++) {
                byte[] value = new byte[VALUE_SIZE];
                random.nextBytes(noise);
                System.arraycopy(noise, 0, value, 0, RANDOM_PART);
                producer.send(new ProducerRecord<>(args[1], value));
            }
        }
        System.out.println("sent " + values);
    }
}
