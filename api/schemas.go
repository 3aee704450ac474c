package api

import (
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// correctSchemas puts right what the framework's reflection cannot know or say: our lists are never null, and a pointer to
// an object may be.
func correctSchemas(registry huma.Registry) {
	for name, schema := range registry.Map() {
		notNull(schema)
		t := registry.TypeFromRef("#/components/schemas/" + name)
		for t != nil && t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t != nil && t.Kind() == reflect.Struct {
			nullable(schema, t)
		}
	}
}

func notNull(schema *huma.Schema) {
	if schema.Type == huma.TypeArray {
		schema.Nullable = false
		if schema.Items != nil {
			notNull(schema.Items)
		}
	}
	for _, property := range schema.Properties {
		notNull(property)
	}
}

// nullable lets those properties be null whose fields are pointers to objects.
func nullable(schema *huma.Schema, t reflect.Type) {
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		property := schema.Properties[name]
		if property != nil && property.Ref != "" && field.Type.Kind() == reflect.Pointer {
			schema.Properties[name] = &huma.Schema{
				AnyOf: []*huma.Schema{{Ref: property.Ref}, {Type: "null"}}, Description: property.Description,
			}
		}
	}
}
