"""Publishes lines of standard input by Eclipse Paho, 1.x or 2.x (whichever PYTHONPATH holds): HOST PORT TOPIC QOS.

Ends well when every message was acknowledged.
"""

import sys

import paho.mqtt.client as mqtt


def client():
    """A client of this generation's interface."""
    if hasattr(mqtt, "CallbackAPIVersion"):
        return mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="paho-2", protocol=mqtt.MQTTv5)
    return mqtt.Client(client_id="paho-1", protocol=mqtt.MQTTv311)


def main():
    host, port, topic, qos = sys.argv[1:]
    paho = client()
    paho.connect(host, int(port))
    paho.loop_start()
    sent = [paho.publish(topic, line.strip(), int(qos)) for line in sys.stdin]
    for message in sent:
        message.wait_for_publish(30)
        if not message.is_published():
            sys.exit("not acknowledged")
    paho.disconnect()
    paho.loop_stop()
    print(len(sent))


main()
