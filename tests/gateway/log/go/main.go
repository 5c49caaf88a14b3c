// Checks Qianfa's checkpoint and proofs with Go's own transparency log code.
//
// usage: check FILE, where FILE holds the JSON described by the struct below. Prints "ok" or the first thing refused.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type input struct {
	VKey        string
	Note        string
	Body        string
	Index       int64
	Inclusion   []string
	OldSize     int64
	OldRoot     string
	Consistency []string
}

func hash(text string) (h tlog.Hash, err error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) != len(h) {
		return h, fmt.Errorf("bad hash %q", text)
	}
	copy(h[:], data)
	return h, nil
}

func hashes(texts []string) (list []tlog.Hash, err error) {
	for _, text := range texts {
		h, err := hash(text)
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	return list, nil
}

func check(in input) error {
	verifier, err := note.NewVerifier(in.VKey)
	if err != nil {
		return fmt.Errorf("vkey: %w", err)
	}
	opened, err := note.Open([]byte(in.Note), note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("note: %w", err)
	}
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return fmt.Errorf("size: %w", err)
	}
	root, err := hash(lines[2])
	if err != nil {
		return err
	}
	body, err := base64.StdEncoding.DecodeString(in.Body)
	if err != nil {
		return err
	}
	inclusion, err := hashes(in.Inclusion)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(inclusion, size, root, in.Index, tlog.RecordHash(body)); err != nil {
		return fmt.Errorf("inclusion: %w", err)
	}
	old, err := hash(in.OldRoot)
	if err != nil {
		return err
	}
	consistency, err := hashes(in.Consistency)
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(consistency, size, root, in.OldSize, old); err != nil {
		return fmt.Errorf("consistency: %w", err)
	}
	return nil
}

func main() {
	data, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	var cases []input
	if err := json.Unmarshal(data, &cases); err != nil {
		panic(err)
	}
	for _, in := range cases {
		if err := check(in); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
}
