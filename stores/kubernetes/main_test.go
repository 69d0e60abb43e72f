package kubernetes_test

import (
	"os"
	"testing"

	"github.com/corsgate/corsgate/stores/parts"
)

func TestMain(m *testing.M) { os.Exit(parts.Main(m.Run)) }
