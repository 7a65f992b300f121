package docs_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/serde"
)

func TestSerdes(t *testing.T) {
	// snippet: serde-func
	celsius := serde.Func(
		func(dst []byte, v float64) ([]byte, error) { return strconv.AppendFloat(dst, v, 'f', 1, 64), nil },
		func(data []byte) (float64, error) { return strconv.ParseFloat(string(data), 64) },
	)
	writeOnly := serde.Of[float64](celsius, nil) // reading is a serde.ErrMissing
	// end
	data, err := writeOnly.Append(nil, "temperatures", 21.5)
	require.NoError(t, err)
	require.Equal(t, "21.5", string(data))
	_, err = writeOnly.Deserialize("temperatures", data)
	require.ErrorIs(t, err, serde.ErrMissing)

	_, err = serde.Int64().Deserialize("temperatures", data)
	// snippet: serde-error
	var failed *serde.Error
	if errors.As(err, &failed) {
		fmt.Println(failed.Topic, failed.Op, failed.Type, failed.Err)
	}
	// end
	require.NotNil(t, failed)
}

// snippet: serde-own

// versioned puts a version before what another serde writes.
type versioned[T any] struct {
	version uint16
	inner   serde.Serde[T]
}

func (s versioned[T]) Append(dst []byte, topic string, v T) ([]byte, error) {
	return s.inner.Append(binary.BigEndian.AppendUint16(dst, s.version), topic, v)
}

func (s versioned[T]) Deserialize(topic string, data []byte) (T, error) {
	if len(data) < 2 || binary.BigEndian.Uint16(data) != s.version {
		var none T
		return none, fmt.Errorf("not version %d", s.version)
	}
	return s.inner.Deserialize(topic, data[2:])
}

// end

func TestOwnSerde(t *testing.T) {
	var s serde.Serde[string] = versioned[string]{7, serde.String()}
	data, err := s.Append([]byte("before"), "t", "text")
	require.NoError(t, err)
	require.Equal(t, "before\x00\x07text", string(data))
	v, err := s.Deserialize("t", data[len("before"):])
	require.NoError(t, err)
	require.Equal(t, "text", v)
	_, err = s.Deserialize("t", []byte("text"))
	require.Error(t, err)
}
