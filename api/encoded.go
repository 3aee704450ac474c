package api

import (
	"encoding/json"
	"io"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"anomalystream/streams"
)

// encodedItems are anomalies as the store encoded them.
type encodedItems []streams.EncodedAnomaly

// Schema implements huma.SchemaProvider: the items are what they decode to.
func (encodedItems) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[[]streams.StoredAnomaly](), true, "")
}

// encoder is a body that encodes itself.
type encoder interface{ encode() ([]byte, error) }

// format is JSON as huma has it, but for bodies that encode themselves.
func format() huma.Format {
	f := huma.DefaultJSONFormat
	f.Marshal = func(w io.Writer, v any) error {
		body, ok := v.(encoder)
		if !ok {
			return huma.DefaultJSONFormat.Marshal(w, v)
		}
		b, err := body.encode()
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	}
	return f
}

// encode implements encoder.
func (l anomalyList) encode() ([]byte, error) {
	rest, err := json.Marshal(struct {
		anomalyList
		Items *struct{} `json:"items,omitempty"` // Hides those of the list.
	}{anomalyList: l})
	if err != nil {
		return nil, err
	}
	size := len(rest) + len(`"items":[],`) + 1
	for _, item := range l.Items {
		size += len(item) + 1
	}
	b := append(make([]byte, 0, size), `{"items":[`...)
	for i, item := range l.Items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, item...)
	}
	return append(append(append(b, "],"...), rest[1:]...), '\n'), nil
}
