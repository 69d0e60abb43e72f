package etcd

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// DefaultPrefix is what all keys begin with where nothing else is said.
const DefaultPrefix = "/corsgate/"

// The names below the prefix, in their order.
const (
	nameBlob       = "blob/"
	nameCheckpoint = "checkpoint"
	nameLog        = "log/"
	nameParts      = "parts/"
	nameReplica    = "replica/"
	nameSweep      = "sweep"
)

// A layout names the keys below a prefix, which ends with a slash.
type layout string

func (l layout) checkpoint() string        { return string(l) + nameCheckpoint }
func (l layout) sweep() string             { return string(l) + nameSweep }
func (l layout) blobs() string             { return string(l) + nameBlob }
func (l layout) blob(hash string) string   { return l.blobs() + hash }
func (l layout) logs() string              { return string(l) + nameLog }
func (l layout) log(revision int64) string { return fmt.Sprintf("%s%0*d", l.logs(), digits, revision) }
func (l layout) allParts() string          { return string(l) + nameParts }
func (l layout) parts(revision int64) string {
	return fmt.Sprintf("%s%0*d", l.allParts(), digits, revision)
}
func (l layout) replicas() string         { return string(l) + nameReplica }
func (l layout) replica(id string) string { return l.replicas() + url.PathEscape(id) }

// digits is how many a revision has in a key, so that keys sort as numbers do.
const digits = 16

// logEnd is behind every key of the log.
func (l layout) logEnd() string { return clientv3.GetPrefixRangeEnd(l.logs()) }

// logRevision returns the revision that a key of the log names.
func (l layout) logRevision(key string) (int64, bool) {
	name, ok := strings.CutPrefix(key, l.logs())
	if !ok || len(name) != digits {
		return 0, false
	}
	revision, err := strconv.ParseInt(name, 10, 64)
	return revision, err == nil && revision > 0 && l.log(revision) == key
}

// gaps returns the ranges below the prefix in which no key of ours stands.
func (l layout) gaps() [][2]string {
	begin := string(l)
	var gaps [][2]string
	for _, name := range []string{nameBlob, nameCheckpoint, nameLog, nameParts, nameReplica, nameSweep} {
		gaps = append(gaps, [2]string{begin, string(l) + name})
		begin = string(l) + name + "\x00"
		if strings.HasSuffix(name, "/") {
			begin = clientv3.GetPrefixRangeEnd(string(l) + name)
		}
	}
	return append(gaps, [2]string{begin, clientv3.GetPrefixRangeEnd(string(l))})
}
