// Checks signed checkpoints and proofs of a site log with Go's own note and merkle packages.
//
// Not ours: golang.org/x/mod/sumdb/note (signed notes) and github.com/transparency-dev/merkle (RFC 6962 proofs). It
// reads one JSON document from standard input and prints one line per thing that holds; it ends with 1 when one does
// not. Leaves are recomputed from the bytes that the document gives.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

type inclusion struct {
	Seq      string   `json:"seq"`
	Size     string   `json:"size"`
	LeafHash string   `json:"leaf_hash"`
	Path     []string `json:"path"`
	Root     string   `json:"root"`
}

type consistency struct {
	Old     string   `json:"old"`
	OldRoot string   `json:"old_root"`
	New     string   `json:"new"`
	NewRoot string   `json:"new_root"`
	Path    []string `json:"path"`
}

type document struct {
	Key         string       `json:"key"`
	Note        string       `json:"note"`
	OldNote     string       `json:"old_note"`
	Record      string       `json:"record"` // base64 of the leaf's bytes
	Inclusion   *inclusion   `json:"inclusion"`
	Consistency *consistency `json:"consistency"`
}

func main() {
	if err := check(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check() error {
	var given document
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		return err
	}
	size, root, err := open(given.Note, given.Key)
	if err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	fmt.Println("checkpoint holds")
	if proven := given.Inclusion; proven != nil {
		leaf, err := base64.StdEncoding.DecodeString(given.Record)
		if err != nil {
			return err
		}
		seq, path, err := numbers(proven.Seq, proven.Path)
		if err != nil {
			return err
		}
		hash := rfc6962.DefaultHasher.HashLeaf(leaf)
		if err := proof.VerifyInclusion(rfc6962.DefaultHasher, seq-1, size, hash, path, root); err != nil {
			return fmt.Errorf("the inclusion proof: %w", err)
		}
		fmt.Println("inclusion holds")
	}
	if proven := given.Consistency; proven != nil {
		oldSize, oldRoot, err := open(given.OldNote, given.Key)
		if err != nil {
			return fmt.Errorf("the older checkpoint: %w", err)
		}
		_, path, err := numbers(proven.Old, proven.Path)
		if err != nil {
			return err
		}
		if err := proof.VerifyConsistency(rfc6962.DefaultHasher, oldSize, size, path, oldRoot, root); err != nil {
			return fmt.Errorf("the consistency proof: %w", err)
		}
		fmt.Println("consistency holds")
	}
	return nil
}

// open checks the signature and gives the size and root that were signed.
func open(text, key string) (uint64, []byte, error) {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return 0, nil, err
	}
	opened, err := note.Open([]byte(text), note.VerifierList(verifier))
	if err != nil {
		return 0, nil, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return 0, nil, fmt.Errorf("the note is no checkpoint of %s: %q", verifier.Name(), opened.Text)
	}
	size, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return 0, nil, err
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	return size, root, err
}

func numbers(number string, hashes []string) (uint64, [][]byte, error) {
	parsed, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, nil, err
	}
	var path [][]byte
	for _, text := range hashes {
		hash, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return 0, nil, err
		}
		path = append(path, hash)
	}
	return parsed, path, nil
}
