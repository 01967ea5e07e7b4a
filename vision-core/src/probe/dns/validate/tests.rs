use super::anchor;
use super::chain::below;
use super::*;
use crate::wire::dns::Name;
use crate::wire::dns::verify::ZoneKey;

#[test]
fn the_keys_of_the_root_are_known_by_their_tags() {
    let tags: Vec<_> = anchor::root().iter().map(TrustAnchor::tag).collect();
    assert_eq!(tags, [20326, 38696]);
}

#[test]
fn anchors_are_read_in_every_usual_form() {
    // The example of RFC 4034 §5.4: a key and its digest.
    let key = "dskey.example.com. 86400 IN DNSKEY 256 3 5 ( AQOeiiR0GOMYkDshWoSKz9Xz
        fwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvx
        egXd/M5+X7OrzKBaMbCVdFLUUh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/r
        ljwvFw== ) ; key id = 60485";
    let digest = "dskey.example.com. 86400 IN DS 60485 5 1 ( 2BB183AF5F22588179A53B0A
        98631FAD1A292118 )";
    let flat = |text: &str| text.replace('\n', " ");
    let [key] = TrustAnchor::read_all(&flat(key)).expect("a key").try_into().expect("one");
    let [digest] = TrustAnchor::read_all(&flat(digest)).expect("a DS").try_into().expect("one");
    assert_eq!((key.tag(), digest.tag()), (60485, 60485));
    assert_eq!(key.zone(), digest.zone());
    let bind = "trust-anchors {\n  . initial-ds 20326 8 2 \"E06D44B80B8F1D39A95C0B0D7C65D084\
                58E880409BBC683457104237C7F8EC8D\"; // the root\n};";
    let [root] = TrustAnchor::read_all(bind).expect("BIND's form").try_into().expect("one");
    assert_eq!(root, anchor::root()[0]);
    for bad in ["", "; nothing", ". IN A 192.0.2.1", ". DS 1 2", ". DS x 8 2 00", ". DS 1 8 2 0g"] {
        let error = TrustAnchor::read_all(bad).expect_err(bad).to_string();
        assert!(error.contains("trust anchor"), "{error}");
    }
}

#[test]
fn a_revoked_key_signs_nothing() {
    let key = |flags| ZoneKey { flags, protocol: 3, algorithm: 13, key: vec![1; 64] };
    assert!(key(256).may_sign() && key(257).may_sign());
    assert!(!key(0).may_sign() && !key(257 | 0x80).may_sign());
}

#[test]
fn the_way_down_names_every_label() {
    let name = |text: &str| text.parse::<Name>().expect("a name");
    let names: Vec<_> =
        below(&name("test"), &name("a.b.test")).iter().map(Name::to_string).collect();
    assert_eq!(names, ["b.test.", "a.b.test."]);
    assert!(below(&name("test"), &name("test")).is_empty());
}
