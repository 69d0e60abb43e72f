package source

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A snapshot file has three lines of fixed lengths, and a body:
//
//	corsgate snapshot 1
//	in step 2026-11-27T05:48:58Z 1a2b3c4d
//	sha256 <64 digits> <bytes of the body, 16 digits>
//	{"source":"policies/, then etcd …", …}
//	<the documents, see snapshot_code.go>
//
// The second line is changed in place as time passes. It has a checksum of its
// own; where that fails, the time in the body counts. The body is covered by the
// third line and never changed.
const (
	snapshotMagic   = "corsgate snapshot "
	snapshotVersion = "1"
	snapshotFirst   = snapshotMagic + snapshotVersion + "\n"
	stampTime       = "2006-01-02T15:04:05Z"
	stampLead       = "in step "
	stampLength     = len(stampLead) + len(stampTime) + len(" 12345678\n")
	sealLead        = "sha256 "
	sealLength      = len(sealLead) + 2*sha256.Size + len(" 1234567890123456\n")
	bodyBegin       = len(snapshotFirst) + stampLength + sealLength
	// maxSnapshotFile is larger than any snapshot that fits into memory with ease.
	maxSnapshotFile = 8 << 30
	// writeBuffer is how much is written at once.
	writeBuffer = 256 << 10
	// leftoverAge is how old a file must be that a writer left behind.
	leftoverAge = time.Hour
)

// A SnapshotError says why a file cannot be used as a snapshot.
type SnapshotError struct {
	Path string
	// Reason continues "the snapshot FILE …".
	Reason string
	Mend   string
	// Err is the cause. It may be nil.
	Err error
}

// Error returns the path, the reason and the mend.
func (e *SnapshotError) Error() string {
	return fmt.Sprintf("the snapshot %s %s; %s", e.Path, e.Reason, e.Mend)
}

// Unwrap returns the cause.
func (e *SnapshotError) Unwrap() error { return e.Err }

// What to do about a snapshot that cannot be read.
const (
	mendReplace = "start while the source can be reached, which replaces the file"
	mendAnother = "name another file"
)

// A snapshotFile is where the last good snapshot is kept.
type snapshotFile struct {
	path string
	// identity is what the snapshots come from: those of anything else are refused.
	identity string
}

// A snapshotHead is the first line of a body.
type snapshotHead struct {
	Source    string    `json:"source"`
	Saved     time.Time `json:"saved"`
	InStep    time.Time `json:"inStep"`
	Revision  int64     `json:"revision"`
	Files     int       `json:"files"`
	Documents int       `json:"documents"`
	Problems  int       `json:"problems"`
}

// checkSnapshotFile finds out early what would keep a file from being written.
func checkSnapshotFile(path string) error {
	if path == "" {
		return &SnapshotError{Path: path, Reason: "has no name", Mend: "name a file"}
	}
	if err := checkOurs(path); err != nil {
		return err
	}
	leftovers, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".*.new")) // a pattern that is none matches nothing
	for _, leftover := range leftovers {
		if info, err := os.Lstat(leftover); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.Remove(leftover) // what cannot be removed only takes room
		}
	}
	probe, err := createBeside(path)
	if err != nil {
		return err
	}
	_ = probe.Close() // nothing was written to it
	if err := os.Remove(probe.Name()); err != nil {
		return cannotWrite(path, err)
	}
	return nil
}

// checkOurs refuses to replace what is no snapshot.
func checkOurs(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return &SnapshotError{Path: path, Reason: "cannot be looked at: " + cause(err), Mend: "let the user that corsgate runs as read it", Err: err}
	case !info.Mode().IsRegular():
		return &SnapshotError{Path: path, Reason: "is " + kind(info.Mode()), Mend: mendAnother}
	case info.Size() == 0:
		return nil
	}
	f, err := os.Open(path) //nolint:gosec // naming this file is what the option is for
	if err != nil {
		return &SnapshotError{Path: path, Reason: "cannot be read: " + cause(err), Mend: "let the user that corsgate runs as read it", Err: err}
	}
	defer f.Close()
	begin := make([]byte, len(snapshotMagic))
	if _, err := io.ReadFull(f, begin); err != nil || string(begin) != snapshotMagic {
		return notOurs(path)
	}
	return nil
}

func notOurs(path string) error {
	return &SnapshotError{Path: path, Reason: "is a file of another sort, and is left alone", Mend: mendAnother}
}

func cannotWrite(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &SnapshotError{Path: path, Reason: "cannot be written: there is no folder " + filepath.Dir(path), Mend: "make the folder, or " + mendAnother, Err: err}
	}
	return &SnapshotError{Path: path, Reason: "cannot be written: " + cause(err), Mend: "let the user that corsgate runs as write to its folder, and see that there is room", Err: err}
}

// createBeside makes a file in the folder of another, for this user alone.
func createBeside(path string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.new")
	if err != nil {
		return nil, cannotWrite(path, err)
	}
	return f, nil
}

// write replaces the file, whole or not at all.
func (s snapshotFile) write(snapshot *Snapshot, inStep time.Time) error {
	if err := checkOurs(s.path); err != nil {
		return err
	}
	f, err := createBeside(s.path)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // once it is renamed, there is nothing to remove
	defer f.Close()
	if err := s.fill(f, snapshot, inStep); err != nil {
		return cannotWrite(s.path, err)
	}
	if err := os.Rename(f.Name(), s.path); err != nil {
		return cannotWrite(s.path, err)
	}
	return syncFolder(s.path)
}

// syncFolder makes a new name outlive the machine.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return cannotWrite(path, err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return cannotWrite(path, err)
	}
	return nil
}

// fill writes everything. The body comes first, since its checksum stands before it.
func (s snapshotFile) fill(f *os.File, snapshot *Snapshot, inStep time.Time) error {
	head, err := json.Marshal(snapshotHead{
		Source: s.identity, Saved: time.Now().UTC(), InStep: inStep.UTC(), Revision: snapshot.Revision,
		Files: snapshot.Files, Documents: len(snapshot.Documents), Problems: len(snapshot.Problems),
	})
	if err != nil {
		return fmt.Errorf("write the head: %w", err)
	}
	if _, err := f.Seek(int64(bodyBegin), io.SeekStart); err != nil {
		return fmt.Errorf("leave room for the seal: %w", err)
	}
	sum, size := sha256.New(), counter(0)
	body := bufio.NewWriterSize(io.MultiWriter(f, sum, &size), writeBuffer)
	_, _ = body.Write(append(head, '\n')) // its errors come again in Flush
	if err := encodeSnapshot(body, snapshot); err != nil {
		return err
	}
	if err := body.Flush(); err != nil {
		return fmt.Errorf("write the documents: %w", err)
	}
	begin := snapshotFirst + stampLine(inStep) + fmt.Sprintf("%s%x %016d\n", sealLead, sum.Sum(nil), int64(size))
	if _, err := f.WriteAt([]byte(begin), 0); err != nil {
		return fmt.Errorf("write the seal: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("wait for the disk: %w", err)
	}
	return nil
}

// A counter counts what is written to it.
type counter int64

func (c *counter) Write(data []byte) (int, error) {
	*c += counter(len(data))
	return len(data), nil
}

func stampLine(at time.Time) string {
	text := at.UTC().Format(stampTime)
	return fmt.Sprintf("%s%s %08x\n", stampLead, text, crc32.ChecksumIEEE([]byte(text)))
}

// stamp says that the snapshot was in step at a time.
func (s snapshotFile) stamp(at time.Time) error {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return cannotWrite(s.path, err)
	}
	defer f.Close()
	begin := make([]byte, len(snapshotFirst))
	if _, err := io.ReadFull(f, begin); err != nil || string(begin) != snapshotFirst {
		return notOurs(s.path)
	}
	if _, err := f.WriteAt([]byte(stampLine(at)), int64(len(snapshotFirst))); err != nil {
		return cannotWrite(s.path, err)
	}
	return nil
}

// read returns the snapshot of the file, whole or not at all.
func (s snapshotFile) read(now time.Time) (Snapshot, error) {
	data, err := s.load()
	if err != nil {
		return Snapshot{}, err
	}
	fail := func(reason, mend string) (Snapshot, error) {
		return Snapshot{}, &SnapshotError{Path: s.path, Reason: reason, Mend: mend}
	}
	if !bytes.HasPrefix(data, []byte(snapshotMagic)) {
		return Snapshot{}, notOurs(s.path)
	}
	if first, _, _ := bytes.Cut(data, []byte("\n")); string(first)+"\n" != snapshotFirst {
		return fail(fmt.Sprintf("has the format %q, and this corsgate reads %s", clipped(string(first[len(snapshotMagic):])), snapshotVersion),
			"start the corsgate that wrote it, or "+mendReplace)
	}
	if len(data) < bodyBegin {
		return fail("is cut short", mendReplace)
	}
	line, body := string(data[len(snapshotFirst):len(snapshotFirst)+stampLength]), data[bodyBegin:]
	sum, size, ok := readSeal(string(data[bodyBegin-sealLength : bodyBegin]))
	switch {
	case !ok:
		return fail("is damaged: its checksum cannot be read", mendReplace)
	case int64(len(body)) < size:
		return fail(fmt.Sprintf("is cut short: it holds %d of %d bytes", len(body), size), mendReplace)
	case int64(len(body)) > size || sha256.Sum256(body) != sum:
		return fail("is damaged: its checksum is another", mendReplace)
	}
	text, documents, _ := bytes.Cut(body, []byte("\n"))
	var head snapshotHead
	if err := json.Unmarshal(text, &head); err != nil {
		return fail("has a head that cannot be read: "+err.Error(), mendReplace)
	}
	if head.Source != s.identity {
		return fail(fmt.Sprintf("is of %s, and policies come from %s now", head.Source, s.identity), mendReplace+", or name the sources as before")
	}
	snapshot, err := decodeSnapshot(documents, &head)
	if err != nil {
		return fail("holds what this corsgate does not know: "+err.Error(), "start the corsgate that wrote it, or "+mendReplace)
	}
	snapshot.AsOf = readStamp(line, head.InStep)
	if snapshot.AsOf.After(now) {
		snapshot.AsOf = now // a clock was set back
	}
	return snapshot, nil
}

// load reads the file's bytes.
func (s snapshotFile) load() ([]byte, error) {
	info, err := os.Stat(s.path)
	if err == nil && info.Size() > maxSnapshotFile {
		return nil, &SnapshotError{Path: s.path, Reason: fmt.Sprintf("is larger than %d GiB", maxSnapshotFile>>30), Mend: mendReplace}
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(s.path)
	}
	if err != nil {
		return nil, &SnapshotError{Path: s.path, Reason: "cannot be read: " + cause(err), Mend: "let the user that corsgate runs as read it", Err: err}
	}
	return data, nil
}

func readSeal(line string) (sum [sha256.Size]byte, size int64, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), sealLead)
	digits, number, found := strings.Cut(rest, " ")
	if !ok || !found || len(digits) != 2*sha256.Size {
		return sum, 0, false
	}
	if _, err := hex.Decode(sum[:], []byte(digits)); err != nil {
		return sum, 0, false
	}
	const decimal, bits = 10, 64
	size, err := strconv.ParseInt(number, decimal, bits)
	return sum, size, err == nil && size >= 0
}

// readStamp returns the time of the second line or, where that is torn, the one
// that the body has.
func readStamp(line string, fallback time.Time) time.Time {
	if at, err := time.Parse(stampTime, line[len(stampLead):len(stampLead)+len(stampTime)]); err == nil && stampLine(at) == line {
		return at
	}
	return fallback
}

// clipped keeps what a file says from filling a page.
func clipped(text string) string {
	const most = 32
	return strings.ToValidUTF8(text[:min(len(text), most)], "\ufffd")
}
