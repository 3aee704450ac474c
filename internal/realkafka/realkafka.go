//go:build unix

// Package realkafka starts a real Apache Kafka for tests: KRaft mode, one broker or three, loopback only, no container.
// It needs Java 17 and, the first time, Maven to fetch the jars. Brokers can be killed, paused and restarted.
package realkafka

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/internal/fetched"
	"anomalystream/internal/freeport"
)

//go:embed pom.xml
var pom []byte

// Cluster is a running cluster.
type Cluster struct {
	t        testing.TB
	dir      string
	jars     string
	nodes    []*broker
	security *security // Of the listeners beyond the plain one; nil without any.
}

type broker struct {
	id                  int
	address, controller string
	secure              []string // Addresses of the secure listeners.
	dir                 string
	mu                  sync.Mutex
	process             *exec.Cmd
	exited              chan struct{}
}

// Start starts a cluster of n brokers (replication n, at least two in sync when n is three) and stops it when the test
// ends. It fails the test when Java or the jars cannot be had: a lane that runs without its server proves nothing.
func Start(t testing.TB, n int) *Cluster {
	t.Helper()
	return start(t, n, nil)
}

func start(t testing.TB, n int, sec *security) *Cluster {
	t.Helper()
	// Not the test's own directory: its name may hold a comma, and Kafka takes that for a list.
	dir, err := os.MkdirTemp("", "realkafka-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	c := &Cluster{t: t, dir: dir, jars: fetchJars(t), security: sec}
	per := 2 + len(sec.listeners())
	free := freeport.Addresses(t, per*n)
	for i := range n {
		own := free[per*i : per*(i+1)]
		c.nodes = append(c.nodes, &broker{id: i + 1, address: own[0], controller: own[1], secure: own[2:], dir: filepath.Join(c.dir, fmt.Sprint(i+1))})
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	clusterID := base64.RawURLEncoding.EncodeToString(id) // May begin with a minus, so it is joined to its flag.
	for _, b := range c.nodes {
		c.configure(b)
		args := []string{"-Xmx128m", "kafka.tools.StorageTool", "format", "--cluster-id=" + clusterID, "-c", filepath.Join(b.dir, "server.properties")}
		format := c.java(append(args, sec.users()...)...)
		if out, err := format.CombinedOutput(); err != nil {
			t.Fatalf("formatting the storage of broker %d: %v\n%s", b.id, err, out)
		}
	}
	t.Cleanup(func() {
		for _, b := range c.nodes {
			b.signal(syscall.SIGKILL)
			b.wait()
		}
	})
	for _, b := range c.nodes {
		c.launch(b)
	}
	c.Await(n)
	return c
}

// Brokers returns the bootstrap addresses.
func (c *Cluster) Brokers() []string {
	out := make([]string, len(c.nodes))
	for i, b := range c.nodes {
		out[i] = b.address
	}
	return out
}

// Kill ends broker i (from 0) at once.
func (c *Cluster) Kill(i int) {
	c.nodes[i].signal(syscall.SIGKILL)
	c.nodes[i].wait()
}

// Stop ends broker i in order.
func (c *Cluster) Stop(i int) {
	c.nodes[i].signal(syscall.SIGTERM)
	c.nodes[i].wait()
}

// Restart starts broker i again on its data.
func (c *Cluster) Restart(i int) { c.launch(c.nodes[i]) }

// Await waits until n brokers answer that n are there: a killed one stays registered for a while, so the others are not enough.
func (c *Cluster) Await(n int) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		if c.ready(n) >= n {
			return
		}
		select {
		case <-ctx.Done():
			for _, b := range c.nodes {
				log, _ := os.ReadFile(filepath.Join(b.dir, "log"))
				c.t.Logf("broker %d: %s", b.id, log)
			}
			c.t.Fatalf("the cluster did not get %d brokers ready within 5 minutes", n)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// ready counts the brokers that answer and know of n.
func (c *Cluster) ready(n int) (ready int) {
	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Net.DialTimeout = time.Second
	config.Metadata.Retry.Max = 0
	for _, b := range c.nodes {
		client, err := sarama.NewClient([]string{b.address}, config)
		if err != nil {
			continue
		}
		if len(client.Brokers()) >= n {
			ready++
		}
		_ = client.Close()
	}
	return ready
}

func (c *Cluster) configure(b *broker) {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	var voters []string
	for _, v := range c.nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", v.id, v.controller))
	}
	names := []string{"PLAINTEXT://" + b.address}
	protocols := "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"
	for i, l := range c.security.listeners() {
		names = append(names, l.name+"://"+b.secure[i])
		protocols += "," + l.name + ":" + l.protocol
	}
	advertised := strings.Join(names, ",")
	n := len(c.nodes)
	inSync := min(n, 2)
	lines := []string{
		fmt.Sprintf("node.id=%d", b.id),
		"process.roles=broker,controller",
		"controller.quorum.voters=" + strings.Join(voters, ","),
		fmt.Sprintf("listeners=%s,CONTROLLER://%s", advertised, b.controller),
		"advertised.listeners=" + advertised,
		"controller.listener.names=CONTROLLER",
		"inter.broker.listener.name=PLAINTEXT",
		"listener.security.protocol.map=" + protocols,
		"log.dirs=" + filepath.Join(b.dir, "data"),
		"auto.create.topics.enable=false",
		"num.partitions=4",
		fmt.Sprintf("default.replication.factor=%d", n),
		fmt.Sprintf("min.insync.replicas=%d", inSync),
		fmt.Sprintf("offsets.topic.replication.factor=%d", n),
		"offsets.topic.num.partitions=8",
		fmt.Sprintf("transaction.state.log.replication.factor=%d", n),
		fmt.Sprintf("transaction.state.log.min.isr=%d", inSync),
		"transaction.state.log.num.partitions=8",
		fmt.Sprintf("share.coordinator.state.topic.replication.factor=%d", n),
		fmt.Sprintf("share.coordinator.state.topic.min.isr=%d", inSync),
		"group.initial.rebalance.delay.ms=0",
		"group.min.session.timeout.ms=500",
		"broker.session.timeout.ms=3000",
		"broker.heartbeat.interval.ms=500",
		"log.cleaner.dedupe.buffer.size=16777216",
		"num.network.threads=2",
		"num.io.threads=4",
	}
	lines = append(lines, c.security.properties()...)
	for name, text := range map[string]string{"server.properties": strings.Join(lines, "\n") + "\n", "log4j2.properties": "rootLogger.level=warn\nrootLogger.appenderRef.out.ref=out\nappender.out.type=Console\nappender.out.name=out\nappender.out.layout.type=PatternLayout\nappender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n\n"} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
}

func (c *Cluster) launch(b *broker) {
	log, err := os.OpenFile(filepath.Join(b.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	cmd := c.java("-Xms96m", "-Xmx384m", "-Dlog4j2.configurationFile="+filepath.Join(b.dir, "log4j2.properties"), "kafka.Kafka", filepath.Join(b.dir, "server.properties"))
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		c.t.Fatalf("starting broker %d: %v", b.id, err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	b.mu.Lock()
	b.process, b.exited = cmd, exited
	b.mu.Unlock()
}

// java returns a Java command with the broker's class path.
func (c *Cluster) java(args ...string) *exec.Cmd {
	return exec.Command("java", append([]string{"-cp", c.jars + "/*"}, args...)...)
}

func (b *broker) signal(s syscall.Signal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil && b.process.Process != nil {
		_ = b.process.Process.Signal(s)
	}
}

func (b *broker) wait() {
	b.mu.Lock()
	exited := b.exited
	b.mu.Unlock()
	if exited != nil {
		<-exited
	}
}

// fetchJars returns the folder with the broker's jars, fetching them with Maven where they are missing.
func fetchJars(t testing.TB) string {
	t.Helper()
	return fetched.Dir(t, "realkafka", "4.1.1", func(dir string) *exec.Cmd {
		file := filepath.Join(dir, "pom.xml")
		if err := os.WriteFile(file, pom, 0o644); err != nil {
			t.Fatal(err)
		}
		return exec.Command("mvn", "-q", "-B", "-U", "-f", file, "dependency:copy-dependencies", "-DoutputDirectory="+dir)
	})
}
