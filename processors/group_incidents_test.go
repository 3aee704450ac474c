package processors_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// TestIncidentsFromTopics makes incidents of a stream's events while it runs, applies feedback, dead-letters what cannot be read,
// and compares everything with a sequential computation, over a restart.
func TestIncidentsFromTopics(t *testing.T) {
	t.Parallel()
	d := sensors(streams.KeyRecord)
	d.Incidents.Retention = time.Hour // What is commented below is there as long as the test takes.
	broker := kafkatest.Start(t)
	c := sensorsConfig(t, d, broker.Brokers(), "", 30*time.Second)
	ensure(t, d, broker.Brokers(), c.Sarama)
	g := &traffic{random: rand.New(rand.NewPCG(1, 2)), entities: 5}
	spoiled := 0
	var told []string
	for range 2 {
		_, all := groups(t, c)
		more, err := incidentGroups(c)
		if err != nil {
			t.Fatal(err)
		}
		stop := work(t, append(all, more...)...)
		broker.Produce(g.records(2500)...)
		for _, topic := range journalled() {
			for _, value := range []string{"", "null", "{}", "[", `{"stream":7}`, "\xff"} {
				spoiled++
				broker.Produce(&kgo.Record{Topic: topic, Key: []byte("x"), Value: []byte(value)})
			}
			broker.Produce(&kgo.Record{Topic: topic, Key: []byte("deleted")})
		}
		settle(t, broker.Client, d, 2*kafkatest.Deadline)
		kafkatest.Eventually(t, kafkatest.Deadline, func() error {
			if broker.Total(names.Incidents()) == 0 {
				return errors.New("no incident yet")
			}
			return nil
		})
		first, err := streams.UnmarshalIncident(broker.ReadAll(names.Incidents())[0].Value)
		if err != nil {
			t.Fatal(err)
		}
		f := &streams.Feedback{
			ID: "feedback " + time.Now().String(), Action: streams.ActionComment, Comment: "seen", Stream: d.Name, Entity: first.Entity,
			Incident: first.ID, Who: "ann", At: time.Now().UTC(),
		}
		b, err := streams.MarshalFeedback(f)
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, first.ID)
		broker.Produce(&kgo.Record{Topic: names.Feedback(), Key: []byte(f.Key()), Value: b})
		for _, topic := range journalled() {
			broker.AwaitCommitted(names.JournalGroup(topic), topic, 2*kafkatest.Deadline)
		}
		stop()
	}
	settleIncidents(t, broker.Client, d)
	v := judgeIncidents(t, broker.Client, d)
	t.Log(v)
	if v.missing+v.extra+v.differing+v.wrongly+v.duplicate > 0 || v.opened < 5 || v.ended < 3 {
		t.Errorf("got %v", v)
	}
	if v.risen+len(v.repeated) > 0 {
		t.Errorf("%d incidents came again after they were deleted", v.risen+len(v.repeated))
	}
	if v.uncopied != 0 {
		t.Errorf("%d records that can be read were not copied", v.uncopied)
	}
	letters := map[string]int{}
	for _, r := range broker.ReadAll(names.DeadLetters()) {
		var letter streams.DeadLetter
		if err := json.Unmarshal(r.Value, &letter); err != nil {
			t.Fatal(err)
		}
		letters[letter.Stage]++
		if letter.Stage != "journal" || letter.Reason == "" || !strings.HasPrefix(letter.Source.Topic, names.Prefix) {
			t.Errorf("dead letter %+v", letter)
		}
	}
	if letters["journal"] != spoiled {
		t.Errorf("%v dead letters, want %d of the journal", letters, spoiled)
	}
	commented := 0
	for _, r := range broker.ReadAll(names.Incidents()) {
		if i, err := streams.UnmarshalIncident(r.Value); err == nil && i.Change == streams.ChangeCommented && i.ID == told[0] && i.Acts[len(i.Acts)-1].Comment == "seen" {
			commented++
		}
	}
	if commented == 0 {
		t.Error("feedback changed no incident")
	}
}
