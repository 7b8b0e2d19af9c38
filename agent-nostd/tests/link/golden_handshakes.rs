//! Golden bytes of the handshakes of wire version 1: fixed keys, whole bodies, encoded and decoded.
//!
//! If one of these fails, do not change the test: devices in the field speak these bytes. A new version gets a new file. That
//! the Noise messages are right is shown by a peer that is not ours (`peers`); here they stay what they were.
//! Invariant: every message of both handshakes has its bytes here.

use sitewarden_agent::wire::code::Code;
use sitewarden_agent::wire::handshake::{
    Context, EnrolInitiator, EnrolResponder, EnrolStart, LinkInitiator, LinkStart, link_respond,
};
use sitewarden_agent::wire::keys::{KeyPair, Secret};
use sitewarden_agent::wire::message::EnrolRequest;
use sitewarden_agent::wire::version::Versions;
use sitewarden_agent::wire::{DeviceId, Text};

const CONTEXT: Context =
    Context { version: 1, offered: Versions { minimum: 1, maximum: 1 }, session: 0x0102_0304 };

fn pair(byte: u8) -> KeyPair {
    KeyPair::from_secret(Secret::new([byte; 32]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn v1_link() {
    let (device, site, psk) = (pair(1), pair(2), Secret::new([3; 32]));
    let (agent, start) =
        LinkInitiator::start(CONTEXT, &device, site.public(), &psk, &Secret::new([4; 32])).unwrap();
    assert_eq!(
        hex(&start),
        [
            "0101",                                                             // versions 1 to 1
            "1a92f23852dc908d",                                                 // device
            "ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b", // ephemeral key
            "2da12ce003f0c7608c7a7af5ff3ac6a5", // tag: the first message has no payload
        ]
        .concat()
    );
    let read = LinkStart::decode(&start).unwrap();
    assert_eq!((read.offered, read.device), (CONTEXT.offered, DeviceId::of(device.public())));
    assert_eq!(read.encode(), start);

    let (mut gateway, accept) =
        link_respond(CONTEXT, &read, &site, device.public(), &psk, &Secret::new([5; 32])).unwrap();
    assert_eq!(
        hex(&accept),
        [
            "50a61409b1ddd0325e9b16b700e719e9772c07000b1bd7786e907c653d20495d", // ephemeral key
            "3003d1cbd4fc25c2c78ca8bb8b701855",                                 // tag
        ]
        .concat()
    );

    let mut session = agent.finish(&accept).unwrap();
    let mut line = [0; 64];
    let length = session.seal(b"golden", &mut line).unwrap();
    assert_eq!(
        hex(&line[..length]),
        "070104010203040101011b900b21bdbb335dbe21f18d34ed6574b660cb5545fb94a329835200"
    );
    let frame = sitewarden_agent::wire::frame::decode(&mut line[..length - 1]).unwrap();
    assert_eq!(gateway.open(frame.header, frame.body), Ok(b"golden".as_slice()));
}

#[test]
fn v1_enrolment() {
    let (device, site) = (pair(1), pair(2));
    let code = Code::parse("12345-6789A-BCDEF-GHJZE").unwrap().key();
    let model = Text::new("model").unwrap();
    let request = EnrolRequest { signing: [0x55; 32], measurement: [0xaa; 32], firmware: [1, 2, 3], model };
    let (agent, start) = EnrolInitiator::start(CONTEXT, &device, &code, &Secret::new([4; 32])).unwrap();
    assert_eq!(
        hex(&start),
        [
            "0101",
            "ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b",
            "38460ea12c359690d640fc280c8c793f"
        ]
        .concat()
    );
    let read = EnrolStart::decode(&start).unwrap();

    let signing = [0x66; 32];
    let ephemeral = Secret::new([5; 32]);
    let (responder, reply) =
        EnrolResponder::respond(CONTEXT, &read, &site, &signing, &code, &ephemeral).unwrap();
    assert_eq!(
        hex(&reply),
        [
            "50a61409b1ddd0325e9b16b700e719e9772c07000b1bd7786e907c653d20495d", // ephemeral key
            "2c631524533c6064ade9a4f2cf27d25a0f7e55727bae662567e2439993654d9a90c3f8221ce94b68c7a9b328574045ae", // the site's static key and its tag
            "b12774335eacb7255642eec4f47e1c2f2d534b4a8ae74eaa3063ce8f933acb9b42671fb57b262db704feb9d702e3588a", // the site's signing key and its tag
        ]
        .concat()
    );

    let replied = agent.reply(&reply, &request.encode().unwrap()).unwrap();
    assert_eq!((replied.site.link, replied.site.signing), (*site.public(), signing));
    assert_eq!(
        hex(&replied.finish),
        [
            "aeb59f9966263acc288c54f21e50dc505425e6f6ae1eb72b21937c9bf9d96595fa69bb8266ade5fd60437e9a7f2da437", // the device's static key and its tag
            // the request and its tag
            "295ccd04df597bd591b7eca168e65a1cb31d3685fdef92ea4de387dde90e9286419b3ab5ead778c4bbdc35f8843e6ae65ac92fc4667f1f586910c9734fb77df8ef034ce134ae8402f272ee637d3ced9303ece7b525ead4e225e0e342fd2841a5ee",
        ]
        .concat()
    );
    let proved = responder.finish(&replied.finish).unwrap();
    assert_eq!(proved.device, *device.public());
    assert_eq!(EnrolRequest::decode(&proved.request), Ok(request));
}
