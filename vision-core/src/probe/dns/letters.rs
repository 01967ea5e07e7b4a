//! The caller's letters put back into answers to a question asked in random ones.

use crate::wire::dns::{Message, Name, RData, Record};

/// Servers point back at the question for every name that ends like it, so that the random
/// letters of the query turn up all over the answer. They are this program's own doing.
pub(super) fn restore(message: &mut Message, sent: &Name, given: &Name) {
    let swap = |name: &mut Name| {
        if let Some(own) = name.with_tail(sent, given) {
            *name = own;
        }
    };
    message.questions.iter_mut().for_each(|question| swap(&mut question.name));
    let sections = [&mut message.answers, &mut message.authorities, &mut message.additionals];
    for Record { name, data, .. } in sections.into_iter().flatten() {
        swap(name);
        match data {
            RData::Cname(name) | RData::Dname(name) | RData::Ns(name) | RData::Ptr(name) => {
                swap(name);
            }
            RData::Mx { exchange, .. } => swap(exchange),
            RData::Soa(soa) => {
                swap(&mut soa.mname);
                swap(&mut soa.rname);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_repeats_the_random_letters_changes() {
        let name = |text: &str| text.parse::<Name>().expect("a name");
        let (sent, given) = (name("wWw.eXaMpLe.TeSt"), name("www.Example.test"));
        let tail = |text: &str| name(text).with_tail(&sent, &given).map(|n| n.to_string());
        assert_eq!(tail("ns1.eXaMpLe.TeSt").as_deref(), Some("ns1.Example.test."));
        assert_eq!(tail("TeSt").as_deref(), Some("test."));
        assert_eq!(tail("wWw.eXaMpLe.TeSt").as_deref(), Some("www.Example.test."));
        assert_eq!(tail("ns1.example.com"), None);
        assert_eq!(tail("a.TEST"), None, "the zone's own letters");
    }
}
