package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRepetition(t *testing.T) {
	for _, of := range []struct {
		again   repetition
		args    []string
		timeout string
	}{
		{repetition{}, nil, "-timeout=1m0s"},
		{repetition{count: 1}, nil, "-timeout=1m0s"},
		{repetition{count: 3}, []string{"-count=3"}, "-timeout=3m0s"},
		{repetition{count: 1, cpu: "1,8"}, []string{"-cpu=1,8"}, "-timeout=2m0s"},
		{repetition{count: 3, cpu: "1,8"}, []string{"-count=3", "-cpu=1,8"}, "-timeout=6m0s"},
	} {
		require.Equal(t, of.args, of.again.args(), "%+v", of.again)
		require.Equal(t, of.timeout, of.again.timeout(time.Minute), "%+v", of.again)
	}
}
