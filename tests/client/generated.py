"""Generates a client from the description of the API, and uses it as it comes.

Arguments: the console's URL, an access token, a directory for the client.
"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

base, token, directory = sys.argv[1], sys.argv[2], Path(sys.argv[3])

description = directory / "openapi.json"
description.write_bytes(urllib.request.urlopen(base + "/api/openapi.json").read())
config = directory / "config.json"
config.write_text(json.dumps({"post_hooks": []}))
generated = subprocess.run(
    [
        sys.executable, "-c", "from openapi_python_client.cli import app; app()",
        "generate", "--path", description, "--config", config, "--meta", "none",
        "--output-path", directory / "webhooks_api",
    ],
    capture_output=True, text=True, check=False,
)
said = generated.stdout + generated.stderr
assert generated.returncode == 0, said
assert "arning" not in said, said

sys.path.insert(0, str(directory))
from webhooks_api import AuthenticatedClient  # noqa: E402
from webhooks_api.api.deliveries import list_deliveries  # noqa: E402
from webhooks_api.api.events import get_event, publish_events  # noqa: E402
from webhooks_api.api.subscriptions import (  # noqa: E402
    create_subscription,
    delete_subscription,
    get_subscription,
    list_subscriptions,
    poll_deliveries,
    update_subscription,
)
from webhooks_api.models import (  # noqa: E402
    DeliveryKind,
    NewEvent,
    NewEventEventDataType0,
    NewSubscription,
    Problem,
    Settings,
)

client = AuthenticatedClient(base_url=base, token=token)

made = create_subscription.sync(
    client=client,
    body=NewSubscription(name="Generated", subscribed_events=["*"], delivery=DeliveryKind.POLL),
)
assert made.name == "Generated" and made.delivery == DeliveryKind.POLL, made
assert [s.id for s in list_subscriptions.sync(client=client)] == [made.id]
changed = update_subscription.sync(made.id, client=client, body=Settings(description="by a program"))
assert changed.version > made.version, changed
assert get_subscription.sync(made.id, client=client).description == "by a program"

refused = create_subscription.sync(
    client=client, body=NewSubscription(name="Wrong", webhook_url="ftp://x.example/")
)
assert isinstance(refused, Problem) and refused.field == "webhook_url", refused

event = NewEvent(
    event_type="job.created", event_data=NewEventEventDataType0.from_dict({"pages": 3})
)
published = publish_events.sync(client=client, body=event, idempotency_key="once")
again = publish_events.sync(client=client, body=event, idempotency_key="once")
assert published.id == again.id, (published, again)
batch = publish_events.sync(client=client, body=[event, event])
assert len(batch) == 2, batch

polled = poll_deliveries.sync(made.id, client=client)
assert [d.event_id for d in polled.deliveries] == [published.id, *(b.id for b in batch)], polled
assert json.loads(polled.deliveries[0].body)["data"] == {"pages": 3}, polled
last = poll_deliveries.sync(made.id, client=client, cursor=polled.cursor)
assert (last.acknowledged, last.deliveries) == (3, []), last

seen = get_event.sync(published.id, client=client)
assert seen.id == published.id, seen
delivered = list_deliveries.sync(made.id, client=client)
assert [d.delivery_status for d in delivered] == ["delivered"] * 3, delivered

delete_subscription.sync_detailed(made.id, client=client)
assert list_subscriptions.sync(client=client) == []
print("used")
