package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"anomalystream/streams"
)

// cargo is what a feed carries: anomalies, or revisions of incidents.
type cargo struct {
	items  string            // Type of the frames that bring them, and name of their topic.
	one    string            // What one of them is called.
	named  string            // How a client names one to resume after it.
	tag    string            // Of their routes in the documentation.
	path   string            // Route that lists them.
	isID   func(string) bool // Whether a text may name one of them.
	extras bool              // Clients may ask for rollups and statuses too.
	past   past
}

// past is where a feed finds what it does not remember. Entries have the time of storing as their time and -1 as their
// partition.
type past interface {
	// since returns what was stored after (at, row), in order of time and row, at most limit. An empty row includes everything
	// stored at the time itself.
	since(ctx context.Context, at time.Time, row string, limit int) ([]*entry, error)
	// find returns the entry with this id. Error streams.ErrNotFound.
	find(ctx context.Context, id string) (*entry, error)
}

// Names of what feeds carry.
const (
	carryAnomalies = "anomalies"
	carryIncidents = "incidents"
)

func anomalyCargo(h History) cargo {
	return cargo{items: carryAnomalies, one: "anomaly", named: "an anomaly's id", tag: tagAnomalies, path: "/api/anomalies", extras: true, past: pastAnomalies{h}, isID: func(id string) bool {
		i := strings.LastIndexByte(id, '-')
		return i > 0 && digits(id[i+1:])
	}}
}

func incidentCargo(store Incidents) cargo {
	return cargo{items: carryIncidents, one: "incident", named: "an incident's id with its revision (ID@REVISION)", tag: tagIncidents, path: "/api/incidents", past: pastIncidents{store}, isID: func(id string) bool {
		_, revision := revisionOf(id)
		return revision > 0
	}}
}

// anomalyEntry makes an entry of an anomaly. Only anomalies of one detector and partition come in a known order.
func anomalyEntry(a *streams.Anomaly) (*entry, error) {
	body, err := json.Marshal(anomalyOut(*a))
	if err != nil {
		return nil, fmt.Errorf("encoding anomaly %s: %w", a.ID, err)
	}
	return &entry{
		id: a.ID, row: a.ID, stream: a.Stream, entity: a.Entity, score: a.Score, severity: a.Severity, partition: -1, body: body, cursor: a.ID,
		line: streams.DetectorKey(a.Stream, a.Entity) + "\x00" + strconv.Itoa(int(a.Source.Partition)), place: a.Source.Offset,
	}, nil
}

// incidentEntry makes an entry of a revision of an incident. Revisions of one incident come in their order.
func incidentEntry(i *streams.Incident) (*entry, error) {
	body, err := json.Marshal(incidentOut(*i))
	if err != nil {
		return nil, fmt.Errorf("encoding incident %s: %w", i.ID, err)
	}
	id := i.ID + "@" + strconv.FormatInt(i.Revision, 10)
	return &entry{
		id: id, row: i.ID, stream: i.Stream, entity: i.Entity, score: i.PeakScore, severity: i.PeakSeverity, partition: -1, body: body, cursor: id,
		line: i.ID, place: i.Revision,
	}, nil
}

// revisionOf splits the id of a revision; the revision is 0 where it is none.
func revisionOf(id string) (incident string, revision int64) {
	i := strings.LastIndexByte(id, '@')
	if i <= 0 || !digits(id[i+1:]) {
		return "", 0
	}
	revision, err := strconv.ParseInt(id[i+1:], 10, 64)
	if err != nil {
		return "", 0
	}
	return id[:i], revision
}

type pastAnomalies struct{ history History }

func (p pastAnomalies) since(ctx context.Context, at time.Time, row string, limit int) ([]*entry, error) {
	rows, err := p.history.Since(ctx, at, row, limit)
	if err != nil {
		return nil, err
	}
	return stored(rows, func(a *streams.StoredAnomaly) (*entry, error) { return anomalyEntry(&a.Anomaly) }, func(a *streams.StoredAnomaly) time.Time { return a.CreatedAt })
}

func (p pastAnomalies) find(ctx context.Context, id string) (*entry, error) {
	a, err := p.history.Anomaly(ctx, id)
	if err != nil {
		return nil, err
	}
	e, err := anomalyEntry(&a.Anomaly)
	if err == nil {
		e.at = a.CreatedAt
	}
	return e, err
}

type pastIncidents struct{ store Incidents }

func (p pastIncidents) since(ctx context.Context, at time.Time, row string, limit int) ([]*entry, error) {
	rows, err := p.store.IncidentsSince(ctx, at, row, limit)
	if err != nil {
		return nil, err
	}
	return stored(rows, func(i *streams.StoredIncident) (*entry, error) { return incidentEntry(&i.Incident) }, func(i *streams.StoredIncident) time.Time { return i.UpdatedAt })
}

// find looks for a revision. The store has the newest one only: when an older one was stored is not known, but not before the first.
func (p pastIncidents) find(ctx context.Context, id string) (*entry, error) {
	incident, revision := revisionOf(id)
	i, err := p.store.Incident(ctx, incident)
	if err != nil {
		return nil, err
	}
	if i.Revision < revision {
		return nil, streams.ErrNotFound
	}
	at, loose := i.UpdatedAt, false
	if i.Revision > revision {
		at, loose, i.Revision = i.CreatedAt, true, revision
	}
	e, err := incidentEntry(&i.Incident)
	if err == nil {
		e.at, e.loose = at, loose
	}
	return e, err
}

// stored makes entries of rows.
func stored[R any](rows []R, entryOf func(*R) (*entry, error), at func(*R) time.Time) ([]*entry, error) {
	out := make([]*entry, len(rows))
	for i := range rows {
		e, err := entryOf(&rows[i])
		if err != nil {
			return nil, err
		}
		e.at = at(&rows[i])
		out[i] = e
	}
	return out, nil
}
