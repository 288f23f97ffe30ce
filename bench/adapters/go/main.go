// The works of bench/work.py for go-stomp:   gostomp kind=receive port=...
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-stomp/stomp/v3"
	"github.com/go-stomp/stomp/v3/frame"
)

// As in bench/measuring.py.
const (
	settle = 60 * time.Millisecond
	enough = 0.6
	step   = 20
	most   = 256 << 20
)

var work = map[string]string{
	"host": "127.0.0.1", "login": "guest", "passcode": "guest", "vhost": "/", "seconds": "0.6", "count": "0",
	"size": "100", "query": "", "window": "1", "destination": "/queue/bench", "connections": "1", "heartbeat": "0",
	"form": "bytes",
}

func number(name string) int {
	value, err := strconv.Atoi(work[name])
	check(err)
	return value
}

func seconds() float64 {
	value, err := strconv.ParseFloat(work["seconds"], 64)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func body() []byte {
	const text = `{"order": 4711, "name": "Café au lait", "pieces": 12, "sum": 99.50, "paid": true}, `
	size := number("size")
	whole := strings.Repeat(text, size/len(text))
	return []byte(whole + strings.Repeat(".", size-len(whole)))
}

func cpu() float64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func memory(name string) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), name+":")
	kilobytes, _ := strconv.Atoi(strings.Fields(after)[0])
	return kilobytes * 1024
}

type taken struct {
	count     int
	durations []float64
	cpu       float64
	peak      int
	more      map[string]float64
}

func (t taken) total() (sum float64) {
	for _, each := range t.durations {
		sum += each
	}
	return sum
}

func (t taken) figures() map[string]any {
	found := map[string]any{"count": t.count, "version": version()}
	for name, value := range t.more {
		found[name] = value
	}
	if len(t.durations) > 0 {
		found["rate"] = float64(t.count) / t.total()
		found["cpu"] = t.cpu / float64(t.count)
		found["peak"] = t.peak
	}
	if len(t.durations) > 1 || t.count == 1 {
		sort.Float64s(t.durations)
		for name, percent := range map[string]int{"p50": 50, "p99": 99} {
			found[name] = t.durations[max((percent*len(t.durations)+99)/100, 1)-1]
		}
	}
	return found
}

type meter struct {
	memory int
	cpu    float64
	begin  time.Time
}

func start() meter { return meter{memory("VmRSS"), cpu(), time.Now()} }

func (m meter) taken(count int, durations []float64) taken {
	if durations == nil {
		durations = []float64{time.Since(m.begin).Seconds()}
	}
	used := cpu() - m.cpu
	return taken{count, durations, used, max(0, memory("VmHWM")-m.memory), nil}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, module := range info.Deps {
			if module.Path == "github.com/go-stomp/stomp/v3" {
				return strings.TrimPrefix(module.Version, "v")
			}
		}
	}
	return "?"
}

func open() *stomp.Conn {
	beat := time.Duration(number("heartbeat")) * time.Millisecond
	connection, err := stomp.Dial("tcp", net.JoinHostPort(work["host"], work["port"]),
		stomp.ConnOpt.Login(work["login"], work["passcode"]),
		stomp.ConnOpt.Host(work["vhost"]),
		stomp.ConnOpt.HeartBeat(beat, beat))
	check(err)
	return connection
}

func fire(count int, more string) string {
	query := work["query"]
	if query != "" {
		query = "&" + query
	}
	return fmt.Sprintf("/bench/fire?count=%d&size=%s%s%s", count, work["size"], query, more)
}

func subscribe(connection *stomp.Conn, destination string, ack stomp.AckMode) *stomp.Subscription {
	subscription, err := connection.Subscribe(destination, ack)
	check(err)
	return subscription
}

func read(subscription *stomp.Subscription) *stomp.Message {
	message := <-subscription.C
	check(message.Err)
	if len(message.Header.Get(frame.MessageId))+len(message.Body) == 0 {
		check(fmt.Errorf("a message without an id"))
	}
	return message
}

func send(connection *stomp.Conn, destination string, content []byte) {
	check(connection.Send(destination, "text/plain", content))
}

// One send in a form of bench/forms.py. go-stomp takes bytes: a program converts its text.
func sendForm(connection *stomp.Conn, destination string, text string, number int) {
	header := stomp.SendOpt.Header
	contentType := "text/plain"
	var options []func(*frame.Frame) error
	switch work["form"] {
	case "headers":
		options = append(options, header("order-id", "4711"), header("customer", "Smith & Sons"), header("region", "north"))
	case "json":
		contentType = "application/json"
	case "correlation":
		options = append(options, header("correlation-id", fmt.Sprintf("request-%d", number)), header("reply-to", "/queue/answers"))
	case "options":
		options = append(options, header("persistent", "true"), header("priority", "7"))
	}
	check(connection.Send(destination, contentType, []byte(text), options...))
}

func confirm(connection *stomp.Conn, destination string, content []byte) {
	check(connection.Send(destination, "text/plain", content, stomp.SendOpt.Receipt))
}

func receive(connection *stomp.Conn, count int) taken {
	begun := start()
	subscription := subscribe(connection, fire(count, ""), stomp.AckAuto)
	for range count {
		read(subscription)
	}
	done := begun.taken(count, nil)
	check(subscription.Unsubscribe())
	return done
}

func acknowledge(connection *stomp.Conn, count int) taken {
	begun := start()
	subscription := subscribe(connection, fire(count, "&acks=1"), stomp.AckClientIndividual)
	for range count {
		check(connection.Ack(read(subscription)))
	}
	read(subscription)
	done := begun.taken(count, nil)
	check(subscription.Unsubscribe())
	return done
}

func sendMany(connection *stomp.Conn, count int) taken {
	content := body()
	begun := start()
	subscription := subscribe(connection, fmt.Sprintf("/bench/sink?count=%d", count), stomp.AckAuto)
	text := string(content)
	for index := range count {
		if work["form"] == "bytes" {
			send(connection, "/queue/bench", content)
		} else {
			sendForm(connection, "/queue/bench", text, index)
		}
	}
	read(subscription)
	done := begun.taken(count, nil)
	check(subscription.Unsubscribe())
	return done
}

func confirmMany(connection *stomp.Conn, count int) taken {
	content, window := body(), number("window")
	begun := start()
	if window == 1 {
		return begun.taken(count, each(count, func() { confirm(connection, work["destination"], content) }))
	}
	var senders sync.WaitGroup
	for sender := range window { // a confirmed send blocks: as many senders as there may be unconfirmed
		senders.Add(1)
		go func() {
			defer senders.Done()
			for sent := sender; sent < count; sent += window {
				confirm(connection, work["destination"], content)
			}
		}()
	}
	senders.Wait()
	return begun.taken(count, nil)
}

func each(count int, do func()) []float64 {
	durations := make([]float64, count)
	for index := range count {
		begin := time.Now()
		do()
		durations[index] = time.Since(begin).Seconds()
	}
	return durations
}

func pair(connection *stomp.Conn, count int) taken {
	content := body()
	begun := start()
	return begun.taken(count, each(count, func() {
		send(connection, "/queue/bench", content)
		confirm(connection, "/queue/bench", content)
	}))
}

func roundtrip(connection *stomp.Conn, count int) taken {
	content := body()
	subscription := subscribe(connection, "/bench/echo", stomp.AckAuto)
	begun := start()
	done := begun.taken(count, each(count, func() {
		send(connection, "/bench/echo", content)
		read(subscription)
	}))
	check(subscription.Unsubscribe())
	return done
}

func connect(_ *stomp.Conn, count int) taken {
	begun := start()
	return begun.taken(count, each(count, func() { check(open().Disconnect()) }))
}

func produce(connection *stomp.Conn) taken {
	content, count := body(), number("count")
	begun := start()
	for range count - 1 {
		send(connection, work["destination"], content)
	}
	confirm(connection, work["destination"], content)
	return begun.taken(count, nil)
}

func consume(connection *stomp.Conn) taken {
	count := number("count")
	subscription := subscribe(connection, work["destination"], stomp.AckAuto)
	fmt.Println("READY")
	read(subscription)
	begun := start()
	for range count - 1 {
		read(subscription)
	}
	return begun.taken(count-1, nil)
}

func stall(connection *stomp.Conn) taken {
	content := body()
	var lock sync.Mutex
	sent := 0
	subscribe(connection, "/bench/stall", stomp.AckAuto)
	time.Sleep(settle)
	begun := start()
	full := make(chan bool)
	go func() {
		for total := 0; total < most; {
			send(connection, "/queue/bench", content)
			total += len(content)
			lock.Lock()
			sent = total
			lock.Unlock()
		}
		close(full)
	}()
	select {
	case <-full:
	case <-time.After(time.Duration(seconds() * float64(time.Second))):
	}
	done := begun.taken(1, nil)
	lock.Lock()
	done.more = map[string]float64{"accepted": float64(sent)}
	lock.Unlock()
	return done
}

func idle() taken {
	runtime.GC()
	before, connections := memory("VmRSS"), number("connections")
	var clients []*stomp.Conn
	for range connections {
		clients = append(clients, open())
	}
	each := float64(memory("VmRSS")-before) / float64(connections)
	used, begin := cpu(), time.Now()
	time.Sleep(time.Duration(seconds() * float64(time.Second)))
	share := (cpu() - used) / time.Since(begin).Seconds()
	runtime.KeepAlive(clients)
	return taken{connections, nil, 0, 0, map[string]float64{"memory": each, "threads": 0, "share": share}}
}

func take() taken {
	if work["kind"] == "idle" {
		return idle()
	}
	connection := open()
	switch work["kind"] {
	case "produce":
		return produce(connection)
	case "consume":
		return consume(connection)
	case "stall":
		return stall(connection)
	}
	run, known := map[string]func(*stomp.Conn, int) taken{
		"receive": receive, "acknowledge": acknowledge, "send": sendMany, "confirm": confirmMany,
		"pair": pair, "roundtrip": roundtrip, "connect": connect,
	}[work["kind"]]
	if !known {
		check(fmt.Errorf("there is no work %q", work["kind"]))
	}
	if count := number("count"); count > 0 {
		return run(connection, count)
	}
	done := run(connection, max(1, min(10, (32<<20)/(number("size")+1))))
	for done.total() < enough*seconds() {
		time.Sleep(settle)
		grown := float64(done.count) * min(step, seconds()/done.total())
		done = run(connection, max(done.count+1, int(grown)))
	}
	return done
}

func main() {
	for _, word := range os.Args[1:] {
		name, value, _ := strings.Cut(word, "=")
		work[name] = value
	}
	if work["form"] == "on-send" {
		fmt.Println(`{"unsupported": "it has no callback for frames that are sent"}`)
		return
	}
	line, err := json.Marshal(take().figures())
	check(err)
	fmt.Println(string(line))
}
