package main

import (
	"encoding/json"
	"fmt"
)

// bill is the work that the demo does: what an invoice says, and whether there is to be one. Any
// JSON is an order: one without a price and a quantity has an invoice without a total. The order
// stands in it byte for byte.
func bill(order []byte) (invoice []byte, due bool) {
	var fields struct {
		Quantity  json.RawMessage `json:"quantity"`
		Price     json.RawMessage `json:"price"`
		Cancelled json.RawMessage `json:"cancelled"`
	}
	_ = json.Unmarshal(order, &fields) // no object: no fields
	if string(fields.Cancelled) == "true" {
		return nil, false
	}
	var quantity, price float64
	if fields.Quantity == nil || fields.Price == nil || json.Unmarshal(fields.Quantity, &quantity) != nil || json.Unmarshal(fields.Price, &price) != nil {
		return fmt.Appendf(nil, `{"order":%s}`, order), true
	}
	return fmt.Appendf(nil, `{"total":%.2f,"order":%s}`, quantity*price, order), true
}
