package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

const (
	homeVariable = "KAFKA_HOME"
	oldestJava   = 17 // what the brokers of Kafka 4 need
	libraryGoMod = "module github.com/vicuna-go/vicuna\n"
)

// Distribution is an unpacked Apache Kafka with a Java to run it.
type Distribution struct {
	// Home is its folder, the one with bin/ in it.
	Home string
	// Asked is true when KAFKA_HOME named it, false when it was found beside the repository.
	Asked bool
}

// LocateDistribution finds the distribution that KAFKA_HOME names, else the one beside the
// repository. The error is ErrAbsent when nothing was asked for and nothing is there, or no Java
// that can run it.
func LocateDistribution(ctx context.Context) (*Distribution, error) {
	d := &Distribution{Home: os.Getenv(homeVariable), Asked: true}
	if d.Home == "" {
		root, err := repository()
		if err != nil {
			return nil, fmt.Errorf("%w: %s is not set, and %w", ErrAbsent, homeVariable, err)
		}
		d = &Distribution{Home: filepath.Join(root, "..", "shared", "kafka")}
	}
	if err := d.check(ctx); err != nil {
		if !d.Asked {
			return nil, fmt.Errorf("%w: %s is not set, and beside the repository: %w", ErrAbsent, homeVariable, err)
		}
		return nil, err
	}
	return d, nil
}

// check says why the distribution cannot be run, if it cannot.
func (d *Distribution) check(ctx context.Context) error {
	for _, script := range []string{"kafka-storage.sh", "kafka-server-start.sh", "kafka-console-consumer.sh"} {
		if _, err := os.Stat(d.script(script)); err != nil {
			return fmt.Errorf("no Kafka distribution: %w", err)
		}
	}
	version, err := javaVersion(ctx)
	if err != nil {
		return err
	}
	if version < oldestJava {
		return fmt.Errorf("it needs Java %d or newer, this is %d", oldestJava, version)
	}
	return nil
}

func (d *Distribution) script(name string) string { return filepath.Join(d.Home, "bin", name) }

// command is a run of one of the distribution's scripts that writes its own logs, if any, to dir
// and not into the distribution.
func (d *Distribution) command(ctx context.Context, dir, script string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.script(script), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LOG_DIR="+filepath.Join(dir, "logs"))
	return cmd
}

// toolsIfAny is the distribution for reading back, nil where there is none. Why there is none is
// said by the probe that needs one.
func toolsIfAny() *Distribution {
	d, err := LocateDistribution(context.Background())
	if err != nil {
		return nil
	}
	return d
}

// repository finds the root of the library's module from the folder of the running test upward.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.Contains(text, []byte(libraryGoMod)) {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("the repository was not found from the working folder")
		}
		dir = up
	}
}

var javaVersionLine = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// javaVersion is the major version of the Java that the distribution's scripts would take.
func javaVersion(ctx context.Context) (int, error) {
	java := "java"
	if home := os.Getenv("JAVA_HOME"); home != "" {
		java = filepath.Join(home, "bin", "java")
	}
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("no Java runs here: %w", err)
	}
	return parseJavaVersion(out)
}

// parseJavaVersion reads what `java -version` prints: version "17.0.15", "21", or, before Java 9,
// "1.8.0_402".
func parseJavaVersion(out []byte) (int, error) {
	m := javaVersionLine.FindSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("the version of Java is not told by %q", out)
	}
	return strconv.Atoi(string(m[1]))
}
