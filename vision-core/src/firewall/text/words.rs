/// The words of a rule, in one piece of memory behind what was there before.
pub(super) struct Words {
    text: String,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Words {
    /// Begins behind a text.
    pub(super) fn after(text: String) -> Self {
        Self { text, starts: Vec::with_capacity(8) }
    }

    /// Begins a word, which is written to what comes back.
    pub(super) fn begin(&mut self) -> &mut String {
        if !self.starts.is_empty() {
            self.text.push(' ');
        }
        self.starts.push(self.text.len());
        &mut self.text
    }

    /// Takes the last word back.
    pub(super) fn pop(&mut self) {
        if let Some(start) = self.starts.pop() {
            let blank = usize::from(!self.starts.is_empty());
            self.text.truncate(start.saturating_sub(blank));
        }
    }

    /// Walks them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let ends = self.starts.iter().skip(1).map(|next| next.saturating_sub(1));
        let ends = ends.chain([self.text.len()]);
        self.starts.iter().zip(ends).filter_map(|(start, end)| self.text.get(*start..end))
    }

    /// Returns the text with all of them.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_apart_and_the_last_can_be_taken_back() {
        let mut words = Words::after("before:".to_owned());
        words.begin().push_str("one");
        words.pop();
        for word in ["ip saddr 1.2.3.4", "th", "accept"] {
            words.begin().push_str(word);
            if word == "th" {
                words.pop();
            }
        }
        assert_eq!(words.iter().collect::<Vec<_>>(), ["ip saddr 1.2.3.4", "accept"]);
        assert_eq!(words.into_text(), "before:ip saddr 1.2.3.4 accept");
    }
}
