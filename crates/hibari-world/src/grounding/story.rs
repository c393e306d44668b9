//! Prompts of several shots: where a text cuts, who comes back in a later shot, and what stays as it was.

use std::sync::LazyLock;

use regex::{Match, Regex};

use super::{Grounding, NearestWord, ground_in, kind_of, read_shot};
use crate::random::Random;
use crate::sample::{ClipForm, Split, draw};
use crate::script::{FRAME_STEP, MAX_CAST, MAX_SHOTS, Member, Script, Shot, VERSION};
use crate::slots::{PartialMember, PartialScript};
use crate::vocabulary::{Action, Ground, Mix, Weather};

/// What a text of one or more shots states.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    /// The shots in order, at least one.
    pub shots: Vec<Grounding>,
    /// For each shot and each of its cast, who of the story that is; empty for a story of one shot.
    members: Vec<Vec<usize>>,
    /// Looks of all who appear, as all shots together state them.
    looks: Vec<PartialMember>,
}

/// Reads a text that may tell of several shots, with a vocabulary; `nearest` as in [`ground_in`].
///
/// A shot begins with "Shot 2:", "cut to", "镜头二" and the like, or with a sentence that begins with "then", "finally",
/// "然后" and the like; behind a comma these begin one only if place or light change. She, he, and the same subject with
/// the same looks are who they were in the shots before.
pub fn ground_story(
    mix: Mix,
    text: &str,
    nearest: &mut dyn FnMut(&str) -> Option<NearestWord>,
) -> Story {
    let texts = cut(mix, text);
    let mut story = Story { shots: Vec::new(), members: Vec::new(), looks: Vec::new() };
    if texts.len() < 2 {
        story.shots.push(ground_in(mix, text, nearest));
        return story;
    }
    for text in texts.iter().take(MAX_SHOTS) {
        story.read(mix, text, nearest);
    }
    if let (Some(last), true) = (story.shots.last_mut(), texts.len() > MAX_SHOTS) {
        let n = texts.len() - MAX_SHOTS;
        last.impossible.push(format!("at most {MAX_SHOTS} shots can be shown, {n} are left out"));
    }
    story
}

/// How many shots a text tells of, at most [`MAX_SHOTS`].
pub fn count_shots(mix: Mix, text: &str) -> usize {
    cut(mix, text).len().clamp(1, MAX_SHOTS)
}

impl Story {
    /// Fills the empty slots: those of the cast and of the first shot from the training prior; a later shot stays where
    /// and when the one before was, unless it says otherwise. Stated slots stay as they are.
    ///
    /// The shots share the frames as evenly as latent frames allow; those for which none is left are not shown.
    pub fn realise(&self, seed: u64, form: ClipForm) -> Script {
        let steps = form.frames / FRAME_STEP;
        let n = u32::try_from(self.shots.len()).unwrap_or(u32::MAX).min(steps);
        if n < 2 {
            return self.shots[0].realise(seed, form);
        }
        let shown = self.members.iter().zip(0..n).flat_map(|(members, _)| members);
        let mut cast: Vec<Option<Member>> = vec![None; shown.max().map_or(0, |last| last + 1)];
        let mut shots: Vec<Shot> = Vec::new();
        for (idx, (grounding, members)) in (0..n).zip(self.shots.iter().zip(&self.members)) {
            let frames = (steps / n + u32::from(idx < steps % n)) * FRAME_STEP;
            let mut stated = grounding.slots.clone();
            for (said, &member) in stated.cast.iter_mut().zip(members) {
                let known = cast[member].as_ref().map(PartialMember::looking_like);
                *said = said.with_looks(known.as_ref().unwrap_or(&self.looks[member]));
            }
            if let Some(before) = shots.last() {
                stay(grounding.mix, &mut stated, before);
            }
            let seed = match idx {
                0 => seed,
                _ => Random::new(seed, &format!("story/{idx}")).bits(),
            };
            let form = ClipForm { frames, ..form };
            let mut drawn = draw(grounding.mix, seed, Split::Train, form, &stated);
            if cast.len() + drawn.cast.len() - members.len() > MAX_CAST {
                // No room for the other of a collision.
                stated.cast[0].action = Some(Action::Stand);
                drawn = draw(grounding.mix, seed, Split::Train, form, &stated);
            }
            shots.extend(joined(&mut cast, members.clone(), drawn));
        }
        let ClipForm { width, height, fps, .. } = form;
        let cast = cast.into_iter().flatten().collect();
        Script { version: VERSION, seed, width, height, fps, cast, shots }
    }

    /// Reads the next shot.
    fn read(&mut self, mix: Mix, text: &str, nearest: &mut dyn FnMut(&str) -> Option<NearestWord>) {
        let (mut grounding, came_back) = read_shot(mix, text, &self.looks, nearest);
        let before = self.members.last().cloned().unwrap_or_default();
        let cast = &mut grounding.slots.cast;
        if cast.is_empty() {
            // Nobody is named: those of the shot before, or someone whom the seed chooses.
            cast.resize(before.len().max(1), PartialMember::default());
        }
        let is_unnamed = cast.iter().all(|said| kind_of(said).is_none());
        let mut members: Vec<usize> = Vec::with_capacity(cast.len());
        let mut notes = Vec::new();
        for (idx, said) in cast.iter_mut().enumerate() {
            let pronoun = came_back.iter().find(|(at, _)| *at == idx).map(|(_, member)| *member);
            let same = before.get(idx).copied().filter(|_| is_unnamed);
            let member = pronoun.or(same).or_else(|| self.again(said, &before, &members));
            let Some(member) = member.or_else(|| self.newcomer()) else {
                notes.push(format!("at most {MAX_CAST} subjects can be shown"));
                break;
            };
            let looks = &mut self.looks[member];
            if let (false, Some(subject)) = (looks.learn(said), looks.subject) {
                notes.push(format!("the {subject} looks the same in all shots"));
            }
            *said = said.with_looks(looks);
            members.push(member);
        }
        cast.truncate(members.len());
        if cast.is_empty() {
            cast.extend(before.iter().map(|&member| self.looks[member].clone()));
            members = before;
        }
        grounding.impossible.extend(notes);
        self.members.push(members);
        self.shots.push(grounding);
    }

    /// Who of the story `said` speaks of, beside those who are `taken`: first of those `before`.
    fn again(&self, said: &PartialMember, before: &[usize], taken: &[usize]) -> Option<usize> {
        let kind = kind_of(said)?;
        let is_it = |&member: &usize| {
            let looks = &self.looks[member];
            kind_of(looks) == Some(kind)
                && (said.subject.is_none() || said.subject == looks.subject)
                && !taken.contains(&member)
                && looks.clone().learn(said)
        };
        before.iter().copied().chain(0..self.looks.len()).find(is_it)
    }

    /// Room for one more.
    fn newcomer(&mut self) -> Option<usize> {
        self.looks.push(PartialMember::default());
        if self.looks.len() > MAX_CAST {
            self.looks.truncate(MAX_CAST);
            return None;
        }
        Some(self.looks.len() - 1)
    }
}

/// States that a shot is where and when the one before was, as far as it says nothing else and its cast can be there.
fn stay(mix: Mix, stated: &mut PartialScript, before: &Shot) {
    stated.light = stated.light.or(Some(before.light));
    let fits = |said: &PartialMember| {
        said.subject.is_none_or(|subject| subject.places(mix).contains(&before.place))
    };
    let wants_open = stated.extras.is_some_and(|n| n > 0)
        || stated.weather.is_some_and(|weather| weather != Weather::Clear);
    let can_stay = stated.cast.iter().all(fits) && (before.place.is_open() || !wants_open);
    if stated.place.is_none() && can_stay {
        stated.place = Some(before.place);
    }
    if stated.place != Some(before.place) {
        return;
    }
    if stated.weather.is_none()
        && (before.weather, stated.ground) != (Weather::Rain, Some(Ground::Dry))
    {
        stated.weather = Some(before.weather);
    }
    if stated.weather != Some(Weather::Rain) {
        stated.ground = stated.ground.or(Some(before.ground));
    }
}

/// The shot of a script of one shot, whose cast joins that of the story.
fn joined(cast: &mut Vec<Option<Member>>, mut members: Vec<usize>, drawn: Script) -> Option<Shot> {
    // Who came unasked is new.
    let n_asked = members.len();
    members.extend(cast.len()..cast.len() + drawn.cast.len() - n_asked);
    cast.resize(members.iter().fold(cast.len(), |n, &member| n.max(member + 1)), None);
    for (&member, looks) in members.iter().zip(drawn.cast) {
        let _known = cast[member].get_or_insert(looks);
    }
    let mut shot = drawn.shots.into_iter().next()?;
    for role in &mut shot.roles {
        role.member = members[role.member];
        role.partner = role.partner.map(|partner| members[partner]);
    }
    Some(shot)
}

/// What begins a shot, behind the end of a sentence or a comma.
static MARK: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r#"(?ix)
        (?: ^ | [.;!?\n。；！？] | (?<comma> [,，] (?: \s* and \b )? ) ) [\s"”*•-]*
        (?:
            (?<shot>
                [\[(]? \s* (?: shot | scene ) \s* \#? (?<n> [0-9]+ | one | two | three | four | five | six ) \b [\])]?
                    \s* [:.,–—-]? \s*
              | in \s the \s (?<nth> first | second | third | fourth | next | last | final ) \s (?: shot | scene ) \b \s* ,?
              | (?: the \s (?: scene | video | film | shot ) \s )? (?: then \s )? cuts? \s to \b \s* :?
              | (?: 镜头 | 分镜 ) \s* (?<zhn> [0-9]+ | [一二三四五六] ) \s* [：:，,、。]?
              | 第 \s* (?<zhnth> [0-9]+ | [一二三四五六] ) \s* (?: 个镜头 | 个场景 | 镜头 | 幕 ) \s* [：:，,]?
              | (?: 镜头 )? (?: 切换到 | 切到 | 切至 ) \s* [：:]?
            )
          | (?: then | after \s that | afterwards | finally | lastly | at \s last ) \b \s* ,?
          | (?<link> first | firstly | next | later )
            (?: \s* , | \s+ (?<word> an? | the | she | he | it | they | in | on | at | one | two | three | some | several ) \b )
          | (?<zhlink> 首先 | 接着 | 然后 | 随后 | 之后 | 后来 | 接下来 | 最后 ) [，,：:]?
        )"#;
    Regex::new(pattern).expect("the pattern is valid")
});

/// The texts of the shots, without what marks them; those that say nothing are left out.
fn cut(mix: Mix, text: &str) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut open = String::new();
    let mut end = 0;
    let mut is_soft = false;
    let mut close = |open: &mut String, is_soft: bool| {
        let said = std::mem::take(open);
        if said.chars().all(|c| !c.is_alphanumeric()) {
            return;
        }
        match texts.last_mut() {
            Some(last) if is_soft && !moves_on(mix, last, &said) => {
                last.push_str(", ");
                last.push_str(&said);
            }
            _ => texts.push(said),
        }
    };
    for mark in MARK.captures_iter(text) {
        let whole = mark.get_match();
        open.push_str(&text[end..whole.start()]);
        let is_first = ["n", "nth", "zhn", "zhnth", "link", "zhlink"].iter().any(|name| {
            let word = mark.name(name).map_or("", |word| word.as_str()).to_lowercase();
            ["1", "one", "first", "firstly", "一", "首先"].contains(&word.as_str())
        });
        // What is said before the first shot is said of it.
        if !is_first {
            close(&mut open, is_soft);
        } else if !open.trim().is_empty() {
            open.push_str(". ");
        }
        is_soft = mark.name("comma").is_some() && mark.name("shot").is_none();
        end = mark.name("word").map_or(whole.end(), |word: Match<'_>| word.start());
    }
    open.push_str(&text[end..]);
    close(&mut open, is_soft);
    texts
}

/// Whether `next` is in another place or light than `last`.
fn moves_on(mix: Mix, last: &str, next: &str) -> bool {
    let [last, next] = [last, next].map(|text| ground_in(mix, text, &mut |_| None).slots);
    let place = next.place.is_some() && next.place != last.place;
    place || (next.light.is_some() && next.light != last.light)
}
