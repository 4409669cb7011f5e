import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The Java client in the bench of Kafka clients: one workload, several rounds, one line of JSON at the end. */
public final class KafkaClientBench {
  private static final int BATCH = 10_000;

  private static String address;
  private static String input;
  private static String output;
  private static String compression;
  private static int count;
  private static int rounds;

  private KafkaClientBench() {}

  public static void main(String[] args) throws Exception {
    address = args[1];
    input = args[2];
    output = args[3];
    count = Integer.parseInt(args[4]);
    rounds = Integer.parseInt(args[5]);
    compression = args[6];
    List<String> results = switch (args[0]) {
      case "consume" -> consume();
      case "produce" -> produce();
      case "transactions" -> transactions();
      default -> throw new IllegalArgumentException(args[0]);
    };
    System.out.println("{\"rounds\":[" + String.join(",", results) + "],\"rssMb\":" + residentMb() + "}");
    System.exit(0);
  }

  private static List<String> consume() {
    List<String> results = new ArrayList<>();
    try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
      List<TopicPartition> partitions = new ArrayList<>();
      consumer.partitionsFor(input).forEach(each -> partitions.add(new TopicPartition(input, each.partition())));
      consumer.assign(partitions);
      for (int round = 0; round < rounds; round++) {
        consumer.seekToBeginning(partitions);
        Watch watch = new Watch();
        long bytes = 0;
        for (int rows = 0; rows < count;) {
          for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
            rows++;
            bytes += record.value().length;
          }
        }
        if (bytes <= 0) throw new IllegalStateException("nothing was read");
        results.add(watch.json(count));
      }
    }
    return results;
  }

  private static List<String> produce() {
    List<String> results = new ArrayList<>();
    byte[][] keys = new byte[BATCH][];
    byte[][] values = new byte[BATCH][];
    for (int row = 0; row < BATCH; row++) {
      keys[row] = String.format("u%07d", row * 7919L % 1_000_000).getBytes(StandardCharsets.UTF_8);
      values[row] = value(row);
    }
    try (KafkaProducer<byte[], byte[]> producer = producer(null)) {
      producer.partitionsFor(output);
      for (int round = 0; round < rounds; round++) {
        Watch watch = new Watch();
        for (int from = 0; from < count; from += BATCH) {
          for (int row = 0; row < BATCH; row++) producer.send(new ProducerRecord<>(output, keys[row], values[row]));
          producer.flush();
        }
        results.add(watch.json(count));
      }
    }
    return results;
  }

  private static List<String> transactions() {
    List<String> results = new ArrayList<>();
    try (KafkaConsumer<byte[], byte[]> consumer = consumer();
        KafkaProducer<byte[], byte[]> producer = producer("bench-java-" + System.nanoTime())) {
      producer.initTransactions();
      consumer.subscribe(List.of(input));
      while (consumer.assignment().isEmpty()) consumer.poll(Duration.ofMillis(10));
      for (int round = 0; round < rounds; round++) {
        consumer.seekToBeginning(consumer.assignment());
        Watch watch = new Watch();
        for (int rows = 0; rows < count;) {
          ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofSeconds(1));
          if (records.isEmpty()) continue;
          producer.beginTransaction();
          Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
          for (TopicPartition partition : records.partitions()) {
            List<ConsumerRecord<byte[], byte[]>> list = records.records(partition);
            for (ConsumerRecord<byte[], byte[]> record : list) {
              producer.send(new ProducerRecord<>(output, record.key(), record.value()));
            }
            rows += list.size();
            offsets.put(partition, new OffsetAndMetadata(list.get(list.size() - 1).offset() + 1));
          }
          producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
          producer.commitTransaction();
        }
        results.add(watch.json(count));
      }
    }
    return results;
  }

  /** The same message of 90 bytes as the other clients send. */
  private static byte[] value(int row) {
    String key = String.format("u%07d", row * 7919L % 1_000_000);
    String text = "{\"id\":\"" + key + "\",\"seq\":" + row + ",\"amount\":" + row * 31L % 100_000 / 100.0 + "}";
    return (text.substring(0, text.length() - 1) + " ".repeat(90 - text.length()) + "}").getBytes(StandardCharsets.UTF_8);
  }

  private static KafkaConsumer<byte[], byte[]> consumer() {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", address);
    properties.put("group.id", "bench-java-" + System.nanoTime());
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    properties.put("isolation.level", "read_committed");
    properties.put("max.poll.records", String.valueOf(BATCH));
    properties.put("fetch.max.bytes", "8388608");
    properties.put("max.partition.fetch.bytes", "4194304");
    properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
    properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
    return new KafkaConsumer<>(properties);
  }

  private static KafkaProducer<byte[], byte[]> producer(String transactionalId) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", address);
    properties.put("acks", "all");
    properties.put("compression.type", compression);
    properties.put("batch.size", "1000000");
    properties.put("linger.ms", transactionalId == null ? "5" : "0");
    properties.put("max.request.size", "4194304");
    properties.put("buffer.memory", "67108864");
    properties.put("key.serializer", ByteArraySerializer.class.getName());
    properties.put("value.serializer", ByteArraySerializer.class.getName());
    if (transactionalId != null) properties.put("transactional.id", transactionalId);
    return new KafkaProducer<>(properties);
  }

  /** Peak of resident memory. */
  private static long residentMb() throws Exception {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM")) return Long.parseLong(line.replaceAll("\\D+", "")) / 1024;
    }
    return 0;
  }

  /** Wall and processor time since it was made. */
  private static final class Watch {
    private final long wallNs = System.nanoTime();
    private final long cpuNs = cpuNs();

    private static long cpuNs() {
      var system = (com.sun.management.OperatingSystemMXBean)
          java.lang.management.ManagementFactory.getOperatingSystemMXBean();
      return system.getProcessCpuTime();
    }

    String json(int rows) {
      double wall = (System.nanoTime() - wallNs) / 1e9;
      double cpu = (cpuNs() - cpuNs) / 1e9;
      return String.format(java.util.Locale.ROOT, "{\"rows\":%d,\"seconds\":%.4f,\"cpuSeconds\":%.4f}", rows, wall, cpu);
    }
  }
}
