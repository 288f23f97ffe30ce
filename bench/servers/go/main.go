// The server of go-stomp, which the embedded broker is compared with. It prints its port, and ends with its standard input.
package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/go-stomp/stomp/v3/server"
)

// silent drops what the server logs of each connection.
type silent struct{}

func (silent) Debugf(string, ...any)   {}
func (silent) Infof(string, ...any)    {}
func (silent) Warningf(string, ...any) {}
func (silent) Errorf(string, ...any)   {}
func (silent) Debug(string)            {}
func (silent) Info(string)             {}
func (silent) Warning(string)          {}
func (silent) Error(string)            {}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, (&server.Server{Log: silent{}}).Serve(listener))
	os.Exit(1)
}
