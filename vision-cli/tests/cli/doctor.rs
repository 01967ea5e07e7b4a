//! The doctor's text, JSON, files and codes; what it finds is tested in the library.

use serde_json::Value;
use vision_lab::{TcpBehaviour, TcpServer};

use crate::run::{pair, vision, vision_in};

#[test]
fn a_flow_that_works_is_healthy() {
    let Some((_lab, a, b)) = pair() else { return };
    let _server = TcpServer::start(&b, "0.0.0.0:80", TcpBehaviour::Accept).expect("listens");
    let run = vision_in(&a, &format!("doctor {}:80", b.v4())).expect(0);
    assert!(run.out.lines().last().is_some_and(|l| l.starts_with("healthy: errors 0")), "{run:?}");
    let json = vision_in(&a, &format!("doctor {}:80 --json", b.v4())).expect(0).json();
    assert_eq!(json["schema"], "vision/doctor@1");
    assert_eq!(json["report"]["verdict"], "healthy");
}

#[test]
fn a_cause_is_led_with_and_comes_with_its_evidence() {
    let Some((_lab, a, b)) = pair() else { return };
    let addr = b.v4();
    let run = vision_in(&a, &format!("doctor {addr}:81")).expect(1);
    let lines: Vec<_> = run.out.lines().collect();
    assert!(lines[0].starts_with("error[socket.no-listener]: "), "{run:?}");
    assert!(lines[1].starts_with("  --> "), "{run:?}");
    assert_eq!(lines[2], "   |");
    assert!(lines[3].starts_with("   |  TCP connect to "), "{run:?}");
    assert!(lines.last().is_some_and(|line| line.starts_with("faulty: errors 1")), "{run:?}");
    let json = vision_in(&a, &format!("doctor {addr}:81 --json")).expect(1).json();
    assert_eq!(json["report"]["findings"][0]["cause"], "socket.no-listener");
    for part in ["ruled_out", "unchecked", "consequences", "areas"] {
        assert!(json["report"][part].is_array(), "{part}");
    }
}

#[test]
fn a_kept_case_is_judged_the_same_again() {
    let Some((_lab, a, b)) = pair() else { return };
    let file = std::env::temp_dir().join(format!("vision-case-{}.json", std::process::id()));
    let path = file.display();
    let live = vision_in(&a, &format!("doctor {}:81 --save {path} --json", b.v4())).expect(1);
    let again = vision(&format!("doctor --from {path} --json")).expect(1).json();
    std::fs::remove_file(&file).expect("the case was kept");
    let findings = |value: &Value| value["report"]["findings"].clone();
    assert_eq!(findings(&live.json()), findings(&again));
}

#[test]
fn a_look_without_probes_sends_nothing() {
    let Some((_lab, a, _b)) = pair() else { return };
    let json = vision_in(&a, "doctor --no-probe --json").json();
    assert_eq!(json["report"]["probes_sent"], 0);
}

#[test]
fn every_cause_is_explained() {
    let list = vision("explain").expect(0).out;
    for cause in list.lines() {
        let text = vision(&format!("explain {cause}")).expect(0).out;
        assert!(text.starts_with(cause) && text.contains("What to do"), "{text}");
    }
}
