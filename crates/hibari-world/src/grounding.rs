//! Reads a prompt: free English (and exact Chinese names) to the slots of a script.
//!
//! It knows the vocabulary's names and synonyms, binds colours to nouns and actions to subjects, follows pronouns and
//! simple negation. It is no language model: a word outside the lexicon goes to a fallback that the caller gives (the
//! nearest name by a text encoder), and else is reported. It inverts every caption of [`crate::grammar`].

mod lexicon;
mod story;

pub use story::{Story, count_shots, ground_story};

use serde::Serialize;

use crate::sample::{ClipForm, Split, draw};
use crate::script::{MAX_CAST, MAX_EXTRAS, Script};
use crate::slots::{PartialMember, PartialScript};
use crate::vocabulary::{
    Action, Angle, Bottom, CameraMove, Colour, Crowd, Expression, Facing, Footwear, Framing,
    Ground, Hair, Item, Kind, Light, Material, Mix, Place, Relation, Size, Subject, Term, Top,
    Weather,
};
use lexicon::{Definite, Gender, Lexicon, Meaning, Sure, Token, VerbForm};

/// What the fallback answers for a word that the lexicon lacks.
#[derive(Clone, Debug, PartialEq)]
pub struct NearestWord {
    /// One of [`known_names_of`] the mix.
    pub name: String,
    /// How near it is, as the fallback measures it; only reported.
    pub similarity: f32,
}

/// A word that was taken for another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// The word in the text.
    pub word: String,
    /// The vocabulary's name that it was taken for.
    pub name: String,
    /// How near that is.
    pub similarity: f32,
}

/// What a text states.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Grounding {
    /// The stated slots.
    pub slots: PartialScript,
    /// Words that the world does not know, in order, each once.
    pub unknown: Vec<String>,
    /// Words that were taken for a near name of the vocabulary.
    pub guessed: Vec<Guess>,
    /// Statements that are understood and cannot be drawn, as sentences for the user.
    pub impossible: Vec<String>,
    /// The vocabulary that it was read with.
    #[serde(skip)]
    pub mix: Mix,
}

impl Grounding {
    /// Fills the empty slots from the training prior; stated slots stay as they are.
    pub fn realise(&self, seed: u64, form: ClipForm) -> Script {
        draw(self.mix, seed, Split::Train, form, &self.slots)
    }

    /// Whether the text states nothing.
    pub fn is_empty(&self) -> bool {
        self.slots == PartialScript::default()
    }
}

/// The vocabulary's names that a fallback may answer, each with its slot.
pub fn known_names_of(mix: Mix) -> Vec<(&'static str, &'static str)> {
    fn of<T: Term>(mix: Mix) -> impl Iterator<Item = (&'static str, &'static str)> {
        T::of(mix).iter().map(|term| (term.name(), T::SLOT))
    }
    let garments =
        of::<Top>(mix).chain(of::<Bottom>(mix)).chain(of::<Footwear>(mix)).chain(of::<Item>(mix));
    let looks = of::<Subject>(mix).chain(of::<Colour>(mix)).chain(garments);
    let all = looks
        .chain(of::<Action>(mix))
        .chain(of::<Place>(mix))
        .chain(of::<Light>(mix))
        .chain(of::<Ground>(mix));
    match mix {
        Mix::First => all.collect(),
        Mix::Whole => all.chain(of::<Weather>(mix)).chain(of::<Expression>(mix)).collect(),
    }
}

/// Reads `text` with the vocabulary of [`Mix::First`]; `nearest` may name a known word for one that the lexicon lacks.
pub fn ground(text: &str, nearest: &mut dyn FnMut(&str) -> Option<NearestWord>) -> Grounding {
    ground_in(Mix::First, text, nearest)
}

/// Reads `text` with a vocabulary; `nearest` may name a known word for one that the lexicon lacks.
pub fn ground_in(
    mix: Mix,
    text: &str,
    nearest: &mut dyn FnMut(&str) -> Option<NearestWord>,
) -> Grounding {
    read_shot(mix, text, &[], nearest).0
}

/// Reads a text of one shot; `earlier` are the looks of those whom a story has shown before. Also gives the positions in
/// the cast, and in `earlier`, of those who come back as she, he and the like.
fn read_shot(
    mix: Mix,
    text: &str,
    earlier: &[PartialMember],
    nearest: &mut dyn FnMut(&str) -> Option<NearestWord>,
) -> (Grounding, Vec<(usize, usize)>) {
    let lexicon = Lexicon::of(mix);
    let mut grounding = Grounding { mix, ..Grounding::default() };
    let mut meanings = Vec::new();
    for token in lexicon.tokens(text) {
        match token {
            Token::Known(meaning) => meanings.push(meaning),
            Token::Unknown(word) => {
                let guess = nearest(&word)
                    .and_then(|near| lexicon.meaning(&near.name).map(|meaning| (near, meaning)));
                match guess {
                    Some((NearestWord { name, similarity }, meaning)) => {
                        meanings.push(meaning);
                        if grounding.guessed.iter().all(|guess| guess.word != word) {
                            grounding.guessed.push(Guess { word, name, similarity });
                        }
                    }
                    None if grounding.unknown.contains(&word) => {}
                    None => grounding.unknown.push(word),
                }
            }
        }
    }
    meanings.push(Meaning::End);
    let mut reader = Reader { grounding, earlier, ..Reader::default() };
    for (idx, meaning) in meanings.iter().enumerate() {
        reader.read(*meaning, meanings.get(idx + 1).copied());
    }
    let came_back = std::mem::take(&mut reader.came_back);
    (reader.finish(), came_back)
}

/// Whom a sentence speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Focus {
    #[default]
    Nobody,
    /// Members `first..=last` of the cast.
    Members(usize, usize),
    Pedestrians,
    Camera,
}

/// A noun that adjectives after it belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noun {
    Member(usize),
    Top(usize),
    Bottom(usize),
    Footwear(usize),
    Hair(usize),
    Item(usize, Item),
}

/// Words before a noun that wait for it.
#[derive(Clone, Debug, Default)]
struct Waiting {
    colour: Option<Colour>,
    size: Option<Size>,
    material: Option<Material>,
    hair: Option<Hair>,
    expression: Option<Expression>,
    action: Option<Action>,
    number: Option<u32>,
    article: Option<Definite>,
}

impl Waiting {
    /// Whether a noun phrase has begun: what waits belongs to the noun to come, not to the one before.
    fn is_open(&self) -> bool {
        self.article.is_some() || self.number.is_some()
    }
}

/// A relation whose ends are not yet known.
#[derive(Clone, Copy, Debug)]
struct Relating {
    relation: Relation,
    /// Who stands in it.
    holder: Option<usize>,
    /// To whom.
    target: Option<usize>,
}

#[derive(Debug, Default)]
struct Reader<'a> {
    grounding: Grounding,
    /// Looks of those whom earlier shots showed.
    earlier: &'a [PartialMember],
    /// Who of the cast is who of those.
    came_back: Vec<(usize, usize)>,
    focus: Focus,
    noun: Option<Noun>,
    waiting: Waiting,
    /// "beside" was read, and not yet whom.
    beside: bool,
    /// A relation of the whole vocabulary was read, and not yet who stands in it, or to whom.
    relating: Option<Relating>,
    /// A place that something hints at.
    hint: Option<Place>,
    /// "of" was read, and not yet whose.
    of: bool,
    /// "and" was read since the last noun.
    and: bool,
    negated: bool,
    /// The negation has met its noun; only further nouns of a list still belong to it.
    negation_used: bool,
    /// What unnamed people do.
    people_action: Option<Action>,
    /// The sentence speaks of a shot or a camera.
    filming: bool,
}

impl Reader<'_> {
    fn read(&mut self, meaning: Meaning, next: Option<Meaning>) {
        match meaning {
            Meaning::End => self.end(),
            Meaning::Pause => {
                if !self.waiting.is_open() {
                    self.flush();
                }
                self.negated = false;
                self.and = false;
            }
            Meaning::Stop => {}
            Meaning::And => self.and = true,
            Meaning::Of => self.of = true,
            Meaning::Not => (self.negated, self.negation_used) = (true, false),
            Meaning::Preposition => {
                if !self.waiting.is_open() {
                    self.flush();
                }
            }
            Meaning::Article(definite) => {
                self.flush();
                self.end_negation();
                self.waiting.article = Some(definite);
            }
            Meaning::Number(number) => {
                if !self.waiting.is_open() {
                    self.flush();
                }
                self.waiting.number = Some(number);
            }
            Meaning::Colour(colour) => {
                let _kept = self.waiting.colour.get_or_insert(colour);
            }
            Meaning::Size(size) => self.waiting.size = Some(size),
            Meaning::Material(material) => self.waiting.material = Some(material),
            Meaning::Glass => match next {
                Some(Meaning::Subject(Subject::Ball | Subject::Box)) => {
                    self.waiting.material = Some(Material::Glass);
                }
                _ => self.subject(Some(Subject::Glass), Kind::Thing),
            },
            Meaning::Expression(expression) => self.waiting.expression = Some(expression),
            Meaning::CollidesWith(form) => {
                self.action(Action::Collide, form);
                self.begin_relation(Relation::Meets);
            }
            Meaning::Hint(place) => {
                let waiting = std::mem::take(&mut self.waiting);
                self.waiting.action = waiting.action;
                self.hint = self.hint.or((!self.negated).then_some(place));
                self.negated = false;
            }
            Meaning::Medium => {
                if self.filming || next == Some(Meaning::CameraNoun) {
                    self.state(|slots| &mut slots.framing, Framing::Medium);
                } else {
                    self.waiting.size = Some(Size::Medium);
                }
            }
            Meaning::Hair(hair) => {
                if self.waiting.is_open() || self.grounding.slots.cast.is_empty() {
                    self.waiting.hair = Some(hair);
                } else {
                    self.set_hair(hair);
                }
            }
            Meaning::Subject(subject) => self.subject(Some(subject), subject.kind()),
            Meaning::Kind(Kind::Animal)
                if self.grounding.mix == Mix::Whole && self.waiting.number == Some(1) =>
            {
                self.people(1, Crowd::Animals);
            }
            Meaning::Kind(kind) => self.subject(None, kind),
            Meaning::Pronoun(gender) => self.pronoun(gender, next),
            Meaning::People(usual) => self.people(usual, Crowd::People),
            Meaning::Animals(usual) => self.people(usual, Crowd::Animals),
            Meaning::Top(_)
            | Meaning::Bottom(_)
            | Meaning::Footwear(_)
            | Meaning::Item(_)
            | Meaning::HairNoun => {
                self.garment(meaning);
            }
            Meaning::Part => self.part(),
            Meaning::Action(action, form) => self.action(action, form),
            Meaning::Relation(relation) => self.relation(relation),
            Meaning::Facing(facing) => {
                self.flush();
                self.set_facing(facing);
            }
            Meaning::Lane(lane) => {
                self.flush();
                if let Some(idx) = self.current() {
                    self.member(idx).lane = Some(lane);
                }
            }
            Meaning::CameraNoun => {
                self.flush();
                self.focus = Focus::Camera;
                self.filming = true;
            }
            Meaning::Camera(camera, sure) => self.camera(camera, sure, next),
            Meaning::Place(_)
            | Meaning::Light(_)
            | Meaning::Weather(_)
            | Meaning::Ground(_)
            | Meaning::Framing(_)
            | Meaning::Angle(_) => self.surroundings(meaning),
        }
    }

    /// Ends a sentence: the next one speaks of something else.
    fn end(&mut self) {
        self.flush();
        // "一只猫坐在女人旁边": the word stands after whom somebody is beside.
        if let (true, Focus::Members(_, last @ 1..)) = (self.beside, self.focus) {
            self.member(last).relation.get_or_insert(Relation::Beside);
            self.beside = false;
        }
        let Waiting { colour, size, material, action, expression, .. } =
            std::mem::take(&mut self.waiting);
        let orphans = colour.is_some()
            || size.is_some()
            || material.is_some()
            || action.is_some()
            || expression.is_some();
        if orphans && self.grounding.slots.cast.is_empty() {
            // "Something red": the main subject is left open, its looks are not.
            let member = PartialMember {
                colour,
                size,
                material,
                action,
                expression,
                ..PartialMember::default()
            };
            self.grounding.slots.cast.push(member);
        }
        let grounding = std::mem::take(&mut self.grounding);
        let (people_action, hint, earlier) = (self.people_action, self.hint, self.earlier);
        let came_back = std::mem::take(&mut self.came_back);
        *self = Self { grounding, people_action, hint, earlier, came_back, ..Self::default() };
    }

    /// Ends a negation that has met its noun.
    fn end_negation(&mut self) {
        self.negated &= !std::mem::take(&mut self.negation_used);
    }

    fn member(&mut self, idx: usize) -> &mut PartialMember {
        &mut self.grounding.slots.cast[idx]
    }

    /// The member that the sentence speaks of, else the main one.
    fn current(&self) -> Option<usize> {
        match self.focus {
            Focus::Members(first, _) => Some(first),
            Focus::Nobody | Focus::Pedestrians | Focus::Camera => {
                (!self.grounding.slots.cast.is_empty()).then_some(0)
            }
        }
    }

    /// States `value`, unless the text has stated that slot before: what is said first counts.
    fn state<T>(&mut self, slot: impl Fn(&mut PartialScript) -> &mut Option<T>, value: T) {
        let _kept = slot(&mut self.grounding.slots).get_or_insert(value);
        self.negated = false;
    }

    /// Gives the adjectives that wait, and that no noun followed, to the noun before.
    fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting.action = waiting.action;
        let noun = self.noun.or(match self.focus {
            Focus::Members(first, _) => Some(Noun::Member(first)),
            Focus::Nobody | Focus::Pedestrians | Focus::Camera => None,
        });
        let Some(noun) = noun else {
            // Adjectives in front of the first noun: "red, a ball".
            let orphan = Waiting { article: None, number: None, ..waiting };
            if self.grounding.slots.cast.is_empty() {
                self.waiting = orphan;
            }
            return;
        };
        self.adjectives(noun, &waiting);
    }

    fn adjectives(&mut self, noun: Noun, waiting: &Waiting) {
        let (Noun::Member(idx)
        | Noun::Top(idx)
        | Noun::Bottom(idx)
        | Noun::Footwear(idx)
        | Noun::Hair(idx)
        | Noun::Item(idx, _)) = noun;
        if let (Some(hair), false) = (waiting.hair, self.negated) {
            self.member(idx).hair = Some(hair);
        }
        if let (Some(expression), false) = (waiting.expression, self.negated) {
            self.member(idx).expression = Some(expression);
        }
        if let (Noun::Member(idx), false) = (noun, self.negated) {
            let member = self.member(idx);
            member.size = waiting.size.or(member.size);
            member.material = waiting.material.or(member.material);
        }
        let Some(colour) = waiting.colour else { return };
        if std::mem::take(&mut self.negated) {
            self.note(format!("that something is not {colour} cannot be promised"));
            return;
        }
        let member = self.member(idx);
        match noun {
            Noun::Member(_) => member.colour = Some(colour),
            Noun::Top(_) => member.top = member.top.map(|(top, _)| (top, Some(colour))),
            Noun::Bottom(_) => {
                member.bottom = member.bottom.map(|(bottom, _)| (bottom, Some(colour)))
            }
            Noun::Footwear(_) => {
                member.footwear = member.footwear.map(|(footwear, _)| (footwear, Some(colour)))
            }
            Noun::Item(_, item) => {
                if let Some(worn) = member.items.iter_mut().find(|(worn, _)| *worn == item) {
                    worn.1 = Some(colour);
                }
            }
            Noun::Hair(_) => match hair_of(colour) {
                Some(hair) => member.hair = Some(hair),
                None => self.note(format!("hair cannot be {colour}")),
            },
        }
    }

    fn note(&mut self, sentence: String) {
        if !self.grounding.impossible.contains(&sentence) {
            self.grounding.impossible.push(sentence);
        }
    }

    fn subject(&mut self, subject: Option<Subject>, kind: Kind) {
        let waiting = std::mem::take(&mut self.waiting);
        let (after_and, after_of) = (std::mem::take(&mut self.and), std::mem::take(&mut self.of));
        if self.negated {
            self.negation_used = true;
            if let Some(subject) = subject {
                self.grounding.slots.excluded.push(subject);
            } else if kind == Kind::Person {
                self.grounding.slots.extras = Some(0);
            }
            return;
        }
        let cast = &self.grounding.slots.cast;
        let known = cast.iter().position(|member| match subject {
            Some(_) => member.subject == subject,
            None => kind_of(member) == Some(kind),
        });
        // Someone unnamed who was described before: "dressed in red, a woman".
        let unnamed = cast.iter().position(|member| {
            subject.is_some()
                && member.subject.is_none()
                && member.kind.is_none_or(|known| known == kind)
        });
        let definite = waiting.article == Some(Definite::Yes) || !waiting.is_open();
        if let Some(idx) = known.filter(|_| definite) {
            self.refer(idx, after_of, &waiting);
            return;
        }
        if let Some(idx) = unnamed {
            let member = self.member(idx);
            (member.subject, member.kind) = (subject, None);
            self.refer(idx, after_of, &waiting);
            return;
        }
        let wanted = usize::try_from(waiting.number.unwrap_or(1).max(1)).unwrap_or(usize::MAX);
        let first = self.grounding.slots.cast.len();
        let n = wanted.min(MAX_CAST.saturating_sub(first));
        if n < wanted {
            self.note(format!("at most {MAX_CAST} subjects can be shown"));
        }
        for idx in first..first + n {
            let kind = if subject.is_some() { None } else { Some(kind) };
            self.grounding.slots.cast.push(PartialMember {
                subject,
                kind,
                ..PartialMember::default()
            });
            self.adjectives(Noun::Member(idx), &waiting);
            if idx > 0 && self.beside {
                self.member(idx).relation = Some(Relation::Beside);
            }
            self.relate(idx);
            if let Some(action) = waiting.action {
                self.act(idx, action);
            }
        }
        if n == 0 {
            return;
        }
        self.beside &= first == 0;
        let start = match self.focus {
            Focus::Members(start, _) if after_and => start,
            Focus::Members(..) | Focus::Nobody | Focus::Pedestrians | Focus::Camera => first,
        };
        self.focus = Focus::Members(start, first + n - 1);
        self.noun = Some(Noun::Member(first + n - 1));
    }

    /// Speaks again of member `idx`.
    fn refer(&mut self, idx: usize, after_of: bool, waiting: &Waiting) {
        self.adjectives(Noun::Member(idx), waiting);
        if let Some(action) = waiting.action {
            self.act(idx, action);
        }
        if self.beside {
            if let Focus::Members(_, last) = self.focus {
                // "A dog sits beside her": the later one of the two is beside the other.
                let later = last.max(idx);
                if later > 0 && last != idx {
                    self.member(later).relation = Some(Relation::Beside);
                }
                self.beside = false;
            }
            return;
        }
        if self.relate(idx) {
            return;
        }
        self.focus = Focus::Members(idx, idx);
        if !after_of || self.noun.is_none() {
            self.noun = Some(Noun::Member(idx));
        }
    }

    fn pronoun(&mut self, gender: Gender, next: Option<Meaning>) {
        let fits = |member: &PartialMember| match gender {
            Gender::She => matches!(member.subject, Some(Subject::Woman)),
            Gender::He => matches!(member.subject, Some(Subject::Man)),
            Gender::It => kind_of(member).is_some_and(|kind| kind != Kind::Person),
            Gender::They => true,
        };
        let cast = &self.grounding.slots.cast;
        let found = cast.iter().position(fits).or_else(|| {
            cast.iter().position(|member| {
                gender != Gender::It && member.subject.is_none() && member.kind.is_some()
            })
        });
        // "It" and "they" may be no one: "it rains", "they" of people.
        let acts = matches!(next, Some(Meaning::Action(..) | Meaning::Relation(_)));
        let is_someone = acts || matches!(gender, Gender::She | Gender::He);
        if found.is_none() && acts && gender == Gender::They {
            self.they_come_back();
            return;
        }
        let found = found.or_else(|| {
            let earlier = self.earlier.iter().position(fits).filter(|_| is_someone)?;
            let cast = &mut self.grounding.slots.cast;
            cast.push(self.earlier[earlier].clone());
            self.came_back.push((cast.len() - 1, earlier));
            Some(cast.len() - 1)
        });
        let after_of = std::mem::take(&mut self.of);
        if let Some(idx) = found {
            self.flush();
            let waiting = std::mem::take(&mut self.waiting);
            self.refer(idx, after_of, &waiting);
        }
    }

    /// "They", when the shot has shown nobody yet: the people of earlier shots, or all if those are fewer than two.
    fn they_come_back(&mut self) {
        let earlier = self.earlier.iter().enumerate();
        let is_person = |member: &PartialMember| kind_of(member) == Some(Kind::Person);
        let mut they: Vec<(usize, &PartialMember)> =
            earlier.clone().filter(|(_, member)| is_person(member)).collect();
        if they.len() < 2 {
            they = earlier.collect();
        }
        if they.is_empty() {
            return;
        }
        self.flush();
        for (idx, looks) in they {
            self.came_back.push((self.grounding.slots.cast.len(), idx));
            self.grounding.slots.cast.push(looks.clone());
        }
        self.focus = Focus::Members(0, self.grounding.slots.cast.len() - 1);
    }

    fn people(&mut self, usual: u32, crowd: Crowd) {
        let waiting = std::mem::take(&mut self.waiting);
        if crowd == Crowd::Animals && self.negated {
            // "No animals" says nothing of people.
            self.negated = false;
            return;
        }
        let n = if std::mem::take(&mut self.negated) { 0 } else { waiting.number.unwrap_or(usual) };
        if n > MAX_EXTRAS {
            self.note(format!("at most {MAX_EXTRAS} pedestrians can be shown"));
        }
        self.state(|slots| &mut slots.extras, n.min(MAX_EXTRAS));
        if crowd == Crowd::Animals {
            self.state(|slots| &mut slots.crowd, crowd);
        }
        self.focus = Focus::Pedestrians;
        self.noun = None;
    }

    /// The person that clothes belong to; a new one if there is none yet.
    fn wearer(&mut self) -> usize {
        let is_person =
            |member: &PartialMember| kind_of(member).is_none_or(|kind| kind == Kind::Person);
        if let Focus::Members(_, last) = self.focus
            && is_person(&self.grounding.slots.cast[last])
        {
            return last;
        }
        self.grounding.slots.cast.iter().position(is_person).unwrap_or_else(|| {
            let idx = self.grounding.slots.cast.len().min(MAX_CAST - 1);
            if idx == self.grounding.slots.cast.len() {
                let kind = Some(Kind::Person);
                self.grounding.slots.cast.push(PartialMember { kind, ..PartialMember::default() });
            }
            idx
        })
    }

    fn garment(&mut self, meaning: Meaning) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting.action = waiting.action;
        self.of = false;
        // "Holds a bag" is worn.
        self.relating = None;
        if self.negated {
            self.negation_used = true;
            if let Meaning::Item(item) = meaning {
                let idx = self.wearer();
                self.member(idx).without.push(item);
            }
            return;
        }
        let idx = self.wearer();
        let member = self.member(idx);
        let noun = match meaning {
            Meaning::Top(top) => {
                let colour =
                    member.top.filter(|(worn, _)| *worn == top).and_then(|(_, colour)| colour);
                member.top = Some((top, colour));
                Noun::Top(idx)
            }
            Meaning::Bottom(bottom) => {
                let colour = member
                    .bottom
                    .filter(|(worn, _)| *worn == bottom)
                    .and_then(|(_, colour)| colour);
                member.bottom = Some((bottom, colour));
                Noun::Bottom(idx)
            }
            Meaning::Footwear(footwear) => {
                let colour = member
                    .footwear
                    .filter(|(worn, _)| *worn == footwear)
                    .and_then(|(_, colour)| colour);
                member.footwear = Some((footwear, colour));
                Noun::Footwear(idx)
            }
            Meaning::Item(item) => {
                if member.items.iter().all(|(worn, _)| *worn != item) {
                    member.items.push((item, None));
                }
                Noun::Item(idx, item)
            }
            _ => Noun::Hair(idx),
        };
        self.noun = Some(noun);
        self.adjectives(noun, &Waiting { size: None, material: None, ..waiting });
        if !matches!(self.focus, Focus::Members(_, last) if last == idx) {
            self.focus = Focus::Members(idx, idx);
        }
    }

    fn set_hair(&mut self, hair: Hair) {
        if !std::mem::take(&mut self.negated) {
            let idx = self.wearer();
            self.member(idx).hair = Some(hair);
            self.noun = Some(Noun::Hair(idx));
        }
    }

    /// "blue fur", "a large size": adjectives of the owner.
    fn part(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        if let Some(idx) = self.current() {
            self.adjectives(Noun::Member(idx), &waiting);
            self.noun = Some(Noun::Member(idx));
        }
    }

    fn action(&mut self, action: Action, form: VerbForm) {
        self.end_negation();
        if self.focus == Focus::Pedestrians {
            self.people_action = self.people_action.or(Some(action));
        }
        if std::mem::take(&mut self.negated)
            || matches!(self.focus, Focus::Pedestrians | Focus::Camera)
        {
            return;
        }
        self.and = false;
        let before_noun = self.waiting.is_open() && form == VerbForm::Participle;
        if before_noun || self.grounding.slots.cast.is_empty() {
            self.waiting.action = Some(action);
            return;
        }
        self.flush();
        match self.focus {
            Focus::Members(first, last) => {
                let first = if form == VerbForm::ThirdPerson { last } else { first };
                for idx in first..=last {
                    self.act(idx, action);
                }
            }
            Focus::Nobody | Focus::Pedestrians | Focus::Camera => self.act(0, action),
        }
    }

    /// States that member `idx` does `action`, or the nearest that it can do.
    fn act(&mut self, idx: usize, action: Action) {
        let mix = self.grounding.mix;
        let member = self.member(idx);
        let done = match member.subject {
            None => Some(action),
            Some(subject) if subject.actions(mix).contains(&action) => Some(action),
            Some(subject) => {
                let instead = nearest_action(mix, subject, action);
                let end =
                    instead.map_or_else(String::new, |instead| format!("; it will {instead}"));
                self.note(format!("a {subject} cannot {action}{end}"));
                instead
            }
        };
        let member = self.member(idx);
        // "stands and waves" is a wave, "falls and shatters" a shattering.
        let is_part = |earlier: Action| {
            earlier == Action::Stand || (earlier == Action::Fall && done == Some(Action::Shatter))
        };
        if done.is_some() && member.action.is_none_or(is_part) {
            member.action = done;
        }
    }

    fn relation(&mut self, relation: Relation) {
        if !self.waiting.is_open() {
            self.flush();
        }
        match relation {
            Relation::Beside => self.beside = true,
            Relation::Follows | Relation::Chases if self.focus == Focus::Camera => {
                if !std::mem::take(&mut self.negated) {
                    self.state(|slots| &mut slots.camera, CameraMove::Follow);
                }
            }
            Relation::Behind
            | Relation::Follows
            | Relation::Meets
            | Relation::Chases
            | Relation::Holds => self.begin_relation(relation),
            Relation::Alone => {
                if let Some(idx) = self.current() {
                    self.member(idx).relation = Some(Relation::Alone);
                }
            }
        }
    }

    /// Reads a relation: who was spoken of last stands in it, else who is named after its other end.
    fn begin_relation(&mut self, relation: Relation) {
        if std::mem::take(&mut self.negated) {
            return;
        }
        let holder = match self.focus {
            Focus::Members(_, last) => Some(last),
            Focus::Nobody | Focus::Pedestrians | Focus::Camera => None,
        };
        self.relating = Some(Relating { relation, holder, target: None });
    }

    /// Member `idx` is spoken of: perhaps an end of a relation, or both are known now. Whether it was.
    fn relate(&mut self, idx: usize) -> bool {
        let Some(relating) = self.relating else { return false };
        let (holder, target) = match (relating.holder, relating.target) {
            (Some(holder), _) if holder == idx => return false,
            (Some(holder), _) => (holder, idx),
            (None, None) => {
                self.relating = Some(Relating { target: Some(idx), ..relating });
                return true;
            }
            (None, Some(target)) if target == idx => return true,
            (None, Some(target)) => (idx, target),
        };
        self.relating = None;
        let partner = usize::from(holder == 0);
        if target == partner {
            self.member(holder).relation = Some(relating.relation);
        } else {
            self.note("only relations to the main subject can be shown".to_owned());
        }
        true
    }

    fn set_facing(&mut self, facing: Facing) {
        if self.focus == Focus::Camera {
            return;
        }
        if let (Some(idx), false) = (self.current(), self.negated) {
            self.member(idx).facing = Some(facing);
        }
    }

    fn camera(&mut self, camera: CameraMove, sure: Sure, next: Option<Meaning>) {
        self.flush();
        let filming = self.focus == Focus::Camera || next == Some(Meaning::CameraNoun);
        if sure == Sure::Yes || filming {
            if !std::mem::take(&mut self.negated) {
                self.state(|slots| &mut slots.camera, camera);
            }
            return;
        }
        match camera {
            CameraMove::PanLeft => self.set_facing(Facing::Left),
            CameraMove::PanRight => self.set_facing(Facing::Right),
            CameraMove::Follow => self.note("who follows whom cannot be shown".to_owned()),
            _ => {}
        }
    }

    /// Place, light, weather, ground, framing and angle.
    fn surroundings(&mut self, meaning: Meaning) {
        if matches!(meaning, Meaning::Place(_)) {
            let waiting = std::mem::take(&mut self.waiting);
            self.waiting.action = waiting.action;
            if let Some(colour) = waiting.colour {
                self.note(format!("the colour of a place cannot be chosen: `{colour}`"));
            }
            self.of = false;
        } else if !self.waiting.is_open() {
            self.flush();
        }
        let negated = std::mem::take(&mut self.negated);
        match meaning {
            Meaning::Place(place) if negated => {
                self.note(format!("that the place is no {place} cannot be promised"))
            }
            Meaning::Place(place) => self.state(|slots| &mut slots.place, place),
            Meaning::Light(light) => {
                let other = if light == Light::Day { Light::Night } else { Light::Day };
                self.state(|slots| &mut slots.light, if negated { other } else { light });
            }
            Meaning::Ground(ground) => {
                let other = if ground == Ground::Dry { Ground::Wet } else { Ground::Dry };
                self.state(|slots| &mut slots.ground, if negated { other } else { ground });
            }
            Meaning::Weather(weather) if !negated => {
                self.state::<Weather>(|slots| &mut slots.weather, weather)
            }
            Meaning::Framing(framing) if !negated => {
                self.state(|slots| &mut slots.framing, framing)
            }
            Meaning::Angle(angle) if !negated => {
                self.state::<Angle>(|slots| &mut slots.angle, angle)
            }
            _ => {}
        }
    }

    /// Settles statements that exclude each other, and orders the lists.
    fn finish(mut self) -> Grounding {
        let mut notes = Vec::new();
        let mix = self.grounding.mix;
        let slots = &mut self.grounding.slots;
        slots.place = slots.place.or(self.hint);
        if slots.cast.is_empty() && slots.extras.is_some_and(|n| n > 0) {
            // People (or animals) are all that the text shows: one of them is the main subject.
            let animals = slots.crowd == Some(Crowd::Animals);
            let kind = Some(if animals { Kind::Animal } else { Kind::Person });
            let action = self.people_action;
            slots.cast.push(PartialMember { kind, action, ..PartialMember::default() });
            slots.extras = slots.extras.map(|n| n - 1);
        }
        if let Some(place) = slots.place.filter(|place| !place.is_open()) {
            let the = if place == Place::Moon { "the moon" } else { "a tabletop" };
            if slots.extras.is_some_and(|n| n > 0) {
                notes.push(format!("{the} has no pedestrians"));
                (slots.extras, slots.crowd) = (None, None);
            }
            if let Some(weather) = slots.weather.filter(|weather| *weather != Weather::Clear) {
                notes.push(format!("{the} has no weather: `{weather}`"));
                slots.weather = None;
            }
        }
        if slots.weather == Some(Weather::Rain) && slots.ground == Some(Ground::Dry) {
            notes.push("rain makes the ground wet".to_owned());
            slots.ground = None;
        }
        slots.excluded.sort_unstable();
        slots.excluded.dedup();
        let cast: Vec<Option<Subject>> = slots.cast.iter().map(|member| member.subject).collect();
        slots.excluded.retain(|subject| !cast.contains(&Some(*subject)));
        for member in &mut slots.cast {
            settle(mix, member, &mut notes);
        }
        match (mix, slots.cast.first_mut()) {
            (Mix::First, Some(main)) => {
                main.relation = main.relation.filter(|relation| *relation == Relation::Alone);
            }
            (Mix::Whole, Some(_)) => settle_whole(slots, &mut notes),
            (_, None) => {}
        }
        for note in notes {
            self.note(note);
        }
        self.grounding
    }
}

fn settle(mix: Mix, member: &mut PartialMember, notes: &mut Vec<String>) {
    member.items.sort_unstable();
    member.without.sort_unstable();
    member.without.dedup();
    member.items.retain(|(item, _)| !member.without.contains(item));
    if let Some(subject) = member.subject {
        let thing = subject.kind() == Kind::Thing;
        if let Some(size) = member.size.filter(|size| !thing && *size != Size::Medium) {
            notes.push(format!("a {subject} has no size to choose: `{size}`"));
            member.size = None;
        }
        let materials = subject.materials(mix);
        if let Some(material) = member.material.filter(|material| !materials.contains(material)) {
            notes.push(format!("a {subject} has no material to choose: `{material}`"));
            member.material = None;
        }
        if let Some((bottom, _)) =
            member.bottom.filter(|(bottom, _)| !subject.bottoms().contains(bottom))
        {
            notes.push(format!("a {subject} cannot wear: {bottom}"));
            member.bottom = None;
        }
        if member.action.is_some_and(|action| !subject.actions(mix).contains(&action)) {
            notes.extend(member.action.map(|action| format!("a {subject} cannot {action}")));
            member.action = member.action.and_then(|action| nearest_action(mix, subject, action));
        }
    }
    if member.bottom.is_some_and(|(bottom, _)| bottom == Bottom::Dress)
        && member.top.is_some_and(|(top, _)| top == Top::TShirt)
    {
        notes.push("a t-shirt is not worn over a dress".to_owned());
        member.top = None;
    }
    let dominant = match (member.top, member.bottom) {
        (Some((Top::Coat, colour)), _)
        | (_, Some((Bottom::Dress, colour)))
        | (Some((_, colour)), _) => colour,
        (None, _) => None,
    };
    if let (Some(colour), Some(worn)) = (member.colour, dominant) {
        if colour != worn {
            notes.push(format!("the main garment is {worn}, so the person is not in {colour}"));
        }
        member.colour = None;
    }
}

fn kind_of(member: &PartialMember) -> Option<Kind> {
    member.subject.map(Subject::kind).or(member.kind)
}

const fn hair_of(colour: Colour) -> Option<Hair> {
    match colour {
        Colour::Black => Some(Hair::Black),
        Colour::Brown => Some(Hair::Brown),
        Colour::Yellow => Some(Hair::Blond),
        Colour::Grey | Colour::White => Some(Hair::Grey),
        Colour::Red
        | Colour::Orange
        | Colour::Green
        | Colour::Blue
        | Colour::Purple
        | Colour::Pink => None,
    }
}

/// Settles what only the whole vocabulary can state: relations, collisions, faces, boats.
fn settle_whole(slots: &mut PartialScript, notes: &mut Vec<String>) {
    for member in &mut slots.cast {
        if let (Some(subject), Some(expression)) = (member.subject, member.expression)
            && subject.kind() != Kind::Person
        {
            notes.push(format!("a {subject} has no face to show: `{expression}`"));
            member.expression = None;
        }
        if let Some(subject) = member.subject.filter(|_| member.is_clothed())
            && !subject.is_clothed()
        {
            notes.push(format!("a {subject} wears no clothes"));
            (member.top, member.bottom, member.footwear) = (None, None, None);
            (member.hair, member.items, member.without) = (None, Vec::new(), Vec::new());
        }
    }
    let afloat = slots.cast.iter().any(|member| member.subject == Some(Subject::Boat));
    if let Some(place) = slots.place.filter(|place| afloat && *place != Place::Beach) {
        notes.push(format!("a boat needs the sea, there is none in: {place}"));
        slots.place = Some(Place::Beach);
    }
    let n_collide = slots.cast.iter().filter(|m| m.action == Some(Action::Collide)).count();
    if n_collide > 0 && slots.cast.len() > 1 {
        let able = |member: &PartialMember| {
            member.subject.is_none_or(|s| s.actions(Mix::Whole).contains(&Action::Collide))
                && member.action.is_none_or(|action| action == Action::Collide)
        };
        let [first, second, ..] = slots.cast.as_mut_slice() else { return };
        if able(first) && able(second) {
            for member in [first, second] {
                (member.action, member.facing) = (Some(Action::Collide), member.facing);
            }
            slots.cast[0].relation = None;
            slots.cast[1].relation = Some(Relation::Meets);
        } else {
            notes.push("only two things can collide".to_owned());
            for member in &mut slots.cast {
                member.action = member.action.filter(|action| *action != Action::Collide);
                member.relation = member.relation.filter(|relation| *relation != Relation::Meets);
            }
        }
    }
    settle_relations(slots, notes);
}

/// Keeps the one relation of the first two members that can be shown.
fn settle_relations(slots: &mut PartialScript, notes: &mut Vec<String>) {
    let [main, others @ ..] = slots.cast.as_mut_slice() else { return };
    for other in others.iter_mut().skip(1) {
        let far = |relation: Relation| {
            !matches!(relation, Relation::Alone | Relation::Beside | Relation::Behind)
        };
        if let Some(relation) = other.relation.filter(|relation| far(*relation)) {
            notes.push(format!("only the first two can {relation}"));
            other.relation = None;
        }
    }
    let Some(second) = others.first_mut() else {
        main.relation = main.relation.filter(|relation| *relation == Relation::Alone);
        return;
    };
    if main.relation.is_some_and(|relation| relation != Relation::Alone) {
        // Who is followed is not also beside.
        second.relation = None;
    }
    for holder in [0, 1] {
        let (who, whom) = if holder == 0 { (&*main, &*second) } else { (&*second, &*main) };
        let Some(relation) = who.relation else { continue };
        let kind_is =
            |member: &PartialMember, kind: Kind| kind_of(member).is_none_or(|known| known == kind);
        let moves = |member: &PartialMember| {
            member.action.is_none_or(Action::travels)
                && member.subject.is_none_or(|subject| {
                    subject.actions(Mix::Whole).iter().any(|action| action.travels())
                })
        };
        let possible = match relation {
            Relation::Holds => {
                holder == 0
                    && kind_is(who, Kind::Person)
                    && kind_is(whom, Kind::Thing)
                    && whom.action.is_none_or(|action| action == Action::Stand)
                    && who.action != Some(Action::Wave)
            }
            Relation::Follows | Relation::Chases => {
                moves(who) && moves(whom) && kind_of(who) != Some(Kind::Thing)
            }
            _ => true,
        };
        if !possible {
            notes.push(format!("this cannot be shown: {relation}"));
            let who = if holder == 0 { &mut *main } else { &mut *second };
            who.relation = None;
        }
    }
    if second.relation.is_some_and(|relation| {
        matches!(relation, Relation::Follows | Relation::Chases | Relation::Meets)
    }) {
        // Their direction follows from the relation.
        second.facing = None;
    }
}

/// The action of `subject` that looks most like `action`, which it does not have.
fn nearest_action(mix: Mix, subject: Subject, action: Action) -> Option<Action> {
    let instead = match (subject, action) {
        (Subject::Car, action) if action.travels() => Action::Drive,
        (Subject::Boat, action) if action.travels() => Action::Sail,
        (Subject::Balloon, Action::Land | Action::Stand) => Action::Float,
        (Subject::Balloon, action) if action.travels() => Action::Float,
        (Subject::Bird, Action::Stand | Action::Sit | Action::Fall) => Action::Land,
        (Subject::Bird, _) => Action::Fly,
        (Subject::Ball, Action::Jump | Action::Fall) => Action::Bounce,
        (Subject::Ball, action) if action.travels() => Action::Roll,
        (Subject::Glass, Action::Topple | Action::Slide | Action::Bounce | Action::Jump) => {
            Action::Fall
        }
        (Subject::Box, Action::Roll | Action::Jump | Action::Bounce) => Action::Fall,
        (Subject::Box, action) if action.travels() => Action::Slide,
        (Subject::Woman | Subject::Man, Action::Sit) => Action::Stand,
        _ => return None,
    };
    subject.actions(mix).contains(&instead).then_some(instead)
}

#[cfg(test)]
mod tests;
