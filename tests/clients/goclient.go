// SPDX-License-Identifier: Apache-2.0

// Two chat completions over one connection, by Go's net/http and crypto/tls. Argument: the service.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

func main() {
	for _, model := range []string{"go-first", "go-second"} {
		body := `{"model":"` + model + `","stream":true,"stream_options":{"include_usage":true},` +
			`"messages":[{"role":"user","content":"Say hello."}]}`
		answer, err := http.Post(os.Args[1]+"/v1/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		n, err := io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		fmt.Println(answer.Proto, answer.StatusCode, n, err)
	}
}
