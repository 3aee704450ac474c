package notify

import (
	"context"
	"encoding/json"

	"anomalystream/streams"
)

// webhook posts the whole notification.
type webhook struct {
	*poster
	address string
}

// webhookBody is what a webhook receives.
type webhookBody struct {
	Title        string          `json:"title"`
	Text         string          `json:"text"`
	Link         string          `json:"link"` // "" where the address of the page is not configured.
	Notification json.RawMessage `json:"notification"`
}

func (w webhook) send(ctx context.Context, m *message) error {
	n, err := streams.MarshalNotification(m.Notification)
	if err != nil {
		return &Failure{Permanent: true, Err: err}
	}
	body, err := json.Marshal(webhookBody{m.Title, m.Text, m.Link, n})
	if err != nil {
		return &Failure{Permanent: true, Err: err}
	}
	return w.post(ctx, w.address, m.Key, body)
}
