package parts_test

import (
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/corsgate/corsgate/stores/parts"
)

func TestStartEtcd(t *testing.T) {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{parts.StartEtcd(t)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	if _, err := client.Put(t.Context(), "key", "value"); err != nil {
		t.Fatal(err)
	}
	got, err := client.Get(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || string(got.Kvs[0].GetValue()) != "value" {
		t.Errorf("etcd returned %v", got.Kvs)
	}
}
