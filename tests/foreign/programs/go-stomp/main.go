// go-stomp; see README.md.
package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/go-stomp/stomp/v3"
)

const (
	timeout = 20 * time.Second
	text    = "C:\\new\nGrüße"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func env(name string) string { return os.Getenv("FOREIGN_" + name) }

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func library() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/go-stomp/stomp/v3" {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return "?"
}

func receive(subscription *stomp.Subscription) *stomp.Message {
	select {
	case message := <-subscription.C:
		check(message.Err)
		return message
	case <-time.After(timeout):
		check(fmt.Errorf("no message from %s within %s", subscription.Destination(), timeout))
		return nil
	}
}

func main() {
	count, beat := number(env("COUNT")), time.Duration(number(env("HEARTBEAT")))*time.Millisecond
	connection, err := stomp.Dial("tcp", net.JoinHostPort(env("HOST"), env("PORT")),
		stomp.ConnOpt.Login(env("LOGIN"), env("PASSCODE")),
		stomp.ConnOpt.Host(env("VHOST")),
		stomp.ConnOpt.HeartBeat(beat, beat))
	check(err)
	seen := map[string]any{"library": library(), "version": string(connection.Version()), "lacks": []string{}}
	subscribe := func(name string, ack stomp.AckMode) *stomp.Subscription {
		subscription, err := connection.Subscribe("/queue/"+name, ack)
		check(err)
		return subscription
	}

	receipts := 0
	for _, mode := range []stomp.AckMode{stomp.AckAuto, stomp.AckClient, stomp.AckClientIndividual} {
		for index := range count {
			check(connection.Send("/queue/"+mode.String(), "text/plain", []byte(strconv.Itoa(index)), stomp.SendOpt.Receipt))
			receipts++
		}
		subscription := subscribe(mode.String(), mode)
		numbers := []int{}
		for index := range count {
			message := receive(subscription)
			numbers = append(numbers, number(string(message.Body)))
			if mode == stomp.AckClientIndividual || (mode == stomp.AckClient && index == count-1) {
				check(connection.Ack(message))
			}
		}
		check(subscription.Unsubscribe())
		seen[mode.String()] = numbers
	}
	seen["receipts"] = receipts

	subscription := subscribe("nack", stomp.AckClientIndividual)
	check(connection.Send("/queue/nack", "text/plain", []byte("0")))
	refused := [][]any{}
	for last := 0; last != 1; {
		message := receive(subscription)
		last = number(string(message.Body))
		refused = append(refused, []any{last, message.Header.Get("redelivered") == "true"})
		if len(refused) == 1 {
			check(connection.Nack(message))
			check(connection.Send("/queue/nack", "text/plain", []byte("1")))
		} else {
			check(connection.Ack(message))
		}
	}
	check(subscription.Unsubscribe())
	seen["nack"] = refused

	subscription = subscribe("transaction", stomp.AckAuto)
	aborted := connection.Begin()
	check(aborted.Send("/queue/transaction", "text/plain", []byte("0")))
	check(aborted.Abort())
	committed := connection.Begin()
	check(committed.Send("/queue/transaction", "text/plain", []byte("1")))
	check(committed.Send("/queue/transaction", "text/plain", []byte("2")))
	check(committed.Commit())
	check(connection.Send("/queue/transaction", "text/plain", []byte("3")))
	numbers := []int{}
	for len(numbers) == 0 || numbers[len(numbers)-1] != 3 {
		numbers = append(numbers, number(string(receive(subscription).Body)))
	}
	seen["transaction"] = numbers

	subscription = subscribe("header", stomp.AckAuto)
	check(connection.Send("/queue/header", "text/plain", []byte("0"), stomp.SendOpt.Header("text", text)))
	seen["header"] = receive(subscription).Header.Get("text")

	subscription = subscribe("binary", stomp.AckAuto)
	body := make([]byte, 256)
	for index := range body {
		body[index] = byte(index)
	}
	check(connection.Send("/queue/binary", "application/octet-stream", body))
	seen["binary"] = hex.EncodeToString(receive(subscription).Body)

	subscription = subscribe("idle", stomp.AckAuto)
	time.Sleep(time.Duration(number(env("IDLE"))) * time.Millisecond)
	check(connection.Send("/queue/idle", "text/plain", []byte("0")))
	seen["idle"] = []int{number(string(receive(subscription).Body))}

	check(connection.Disconnect()) // waits for the receipt
	seen["disconnect"] = true
	line, err := json.Marshal(seen)
	check(err)
	fmt.Println(string(line))
}
