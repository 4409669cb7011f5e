import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The Java client, driven line by line over standard input: it creates topics, writes and reads records. A row is
 * `timestamp key value headers`; bytes are `x` and hexadecimal digits, null is `-`, headers are `name:value,...` or `.`.
 * Each command is answered by its rows and then `ok`, or by `failed` and why.
 */
class KafkaCodecPeer {
  static final HexFormat HEX = HexFormat.of();
  final String bootstrap;
  final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
  final BufferedReader input = new BufferedReader(new InputStreamReader(System.in));

  KafkaCodecPeer(String bootstrap) {
    this.bootstrap = bootstrap;
  }

  public static void main(String[] args) throws Exception {
    KafkaCodecPeer peer = new KafkaCodecPeer(args[0]);
    for (String line; (line = peer.input.readLine()) != null;) {
      try {
        peer.run(line.split(" "));
        System.out.println("ok");
      } catch (Exception error) {
        System.out.println("failed " + error.toString().replace('\n', ' '));
      }
      System.out.flush();
    }
  }

  void run(String[] words) throws Exception {
    switch (words[0]) {
      case "topic" -> createTopic(words[1], Integer.parseInt(words[2]), words[3]);
      case "producer" -> openProducer(words[1], words[2], words[3], words[4]);
      case "send" -> send(producers.get(words[1]), words[2], Integer.parseInt(words[3]), Integer.parseInt(words[4]));
      case "begin" -> producers.get(words[1]).beginTransaction();
      case "commit" -> producers.get(words[1]).commitTransaction();
      case "abort" -> producers.get(words[1]).abortTransaction();
      case "consume" -> consume(words[1], Integer.parseInt(words[2]), Integer.parseInt(words[3]));
      default -> throw new IllegalArgumentException(words[0]);
    }
  }

  void createTopic(String name, int partitions, String settings) throws Exception {
    Map<String, String> configs = new HashMap<>();
    for (String setting : settings.equals("-") ? new String[0] : settings.split(",")) {
      String[] parts = setting.split("=", 2);
      configs.put(parts[0], parts[1]);
    }
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
      admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(configs))).all().get();
    }
  }

  void openProducer(String name, String compression, String batchSize, String transactionalId) {
    Map<String, Object> configs = new HashMap<>(Map.of(
      "bootstrap.servers", bootstrap, "compression.type", compression, "batch.size", batchSize, "linger.ms", "20"));
    if (!transactionalId.equals("-")) configs.put("transactional.id", transactionalId);
    KafkaProducer<byte[], byte[]> producer =
      new KafkaProducer<>(configs, new ByteArraySerializer(), new ByteArraySerializer());
    if (!transactionalId.equals("-")) producer.initTransactions();
    producers.put(name, producer);
  }

  /** Partition -1 leaves the choice to the default partitioner. Answers with partition and offset of each record. */
  void send(KafkaProducer<byte[], byte[]> producer, String topic, int partition, int count) throws Exception {
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String[] words = input.readLine().split(" ");
      long timestamp = Long.parseLong(words[0]);
      sent.add(producer.send(new ProducerRecord<>(topic, partition < 0 ? null : partition, timestamp < 0 ? null : timestamp,
        bytes(words[1]), bytes(words[2]), headers(words[3]))));
    }
    producer.flush();
    for (Future<RecordMetadata> each : sent) System.out.println(each.get().partition() + " " + each.get().offset());
  }

  /** Reads each partition from its begin on, until so many records were seen. */
  void consume(String topic, int partitions, int count) {
    Map<String, Object> configs = Map.of("bootstrap.servers", bootstrap, "isolation.level", "read_committed",
      "auto.offset.reset", "earliest", "enable.auto.commit", "false", "check.crcs", "true");
    try (KafkaConsumer<byte[], byte[]> consumer =
      new KafkaConsumer<>(configs, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> places = new ArrayList<>();
      for (int i = 0; i < partitions; i++) places.add(new TopicPartition(topic, i));
      consumer.assign(places);
      consumer.seekToBeginning(places);
      long until = System.currentTimeMillis() + 20_000;
      for (int seen = 0; seen < count;) {
        if (System.currentTimeMillis() > until) throw new IllegalStateException("only " + seen + " of " + count);
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
          seen++;
          System.out.println(record.partition() + " " + record.offset() + " " + record.timestamp() + " " +
            text(record.key()) + " " + text(record.value()) + " " + text(record.headers().toArray()));
        }
      }
    }
  }

  static byte[] bytes(String word) {
    return word.equals("-") ? null : HEX.parseHex(word.substring(1));
  }

  static List<Header> headers(String word) {
    List<Header> headers = new ArrayList<>();
    for (String each : word.equals(".") ? new String[0] : word.split(",")) {
      String[] parts = each.split(":");
      headers.add(new RecordHeader(new String(bytes(parts[0]), java.nio.charset.StandardCharsets.UTF_8), bytes(parts[1])));
    }
    return headers;
  }

  static String text(byte[] bytes) {
    return bytes == null ? "-" : "x" + HEX.formatHex(bytes);
  }

  static String text(Header[] headers) {
    return headers.length == 0 ? "." : String.join(",", Arrays.stream(headers)
      .map((header) -> text(header.key().getBytes(java.nio.charset.StandardCharsets.UTF_8)) + ":" + text(header.value()))
      .toList());
  }
}
