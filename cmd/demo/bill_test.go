package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBill(t *testing.T) {
	for order, want := range map[string]string{
		`{"quantity":7,"price":54.27}`:                   `{"total":379.89,"order":{"quantity":7,"price":54.27}}`,
		`{"quantity":7,"price":54.27,"cancelled":false}`: `{"total":379.89,"order":{"quantity":7,"price":54.27,"cancelled":false}}`,
		`{"quantity":"7","price":1}`:                     `{"order":{"quantity":"7","price":1}}`,
		`{"price":1}`:                                    `{"order":{"price":1}}`,
		// byte for byte
		`{"a": "<&>\u2028", "cancelled": 1}`: `{"order":{"a": "<&>\u2028", "cancelled": 1}}`,
		`[1,2]`:                              `{"order":[1,2]}`,
		`"text"`:                             `{"order":"text"}`,
		`{"cancelled":true}`:                 "",
		`{"quantity":1,"price":1,"cancelled": true ,"more":{}}`: "",
	} {
		invoice, due := bill([]byte(order))
		require.Equal(t, want, string(invoice), order)
		require.Equal(t, want != "", due, order)
	}
}
